use super::{
    template::{Mixed, Segment},
    *,
};

fn pattern(host: &str, methods: &[Method], path: &str) -> RoutePattern {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    RoutePattern { host: some(host), methods: methods.to_vec(), path: some(path) }
}

fn table(patterns: &[RoutePattern]) -> Result<RouteTable<usize>, RouteError> {
    RouteTable::build(usize::MAX, patterns.iter().cloned().zip(0..))
}

fn ask(method: &str, uri: &str, host: Option<&str>) -> Request<()> {
    let mut request = Request::builder().method(method).uri(uri);
    if let Some(host) = host {
        request = request.header(header::HOST, host);
    }
    request.body(()).unwrap()
}

#[test]
fn the_most_specific_route_is_found() {
    let routes = [
        pattern("", &[], "/pets"),
        pattern("", &[Method::GET], "/pets"),
        pattern("", &[], "/pets/{id}"),
        pattern("", &[Method::DELETE], "/pets/{pet}"),
        pattern("", &[], "/pets/mine"),
        pattern("", &[], "/{*rest}"),
        pattern("a.example", &[], ""),
        pattern("a.example", &[Method::POST], "/pets"),
        pattern("B.example", &[Method::PUT], "/only"),
        pattern("[::1]", &[], ""),
        pattern("", &[Method::OPTIONS], ""),
    ];
    let table = table(&routes).unwrap();
    let none = usize::MAX;
    let cases = [
        ("GET", "/pets", None, 1),
        ("HEAD", "/pets", None, 1),
        ("POST", "/pets", None, 0),
        ("GET", "/pets/7", None, 2),
        ("DELETE", "/pets/7", None, 3),
        ("DELETE", "/pets/mine", None, 4),
        ("GET", "/pets/7/toys?x=/pets", None, 5),
        ("GET", "/", None, none),
        ("OPTIONS", "*", None, 10),
        ("OPTIONS", "/pets", None, 0),
        ("GET", "/pets", Some("a.example"), 6),
        ("POST", "/pets", Some("A.Example:8080"), 7),
        ("POST", "http://a.example/pets", Some("c.example"), 7),
        ("PUT", "/only", Some("b.EXAMPLE"), 8),
        ("GET", "/only", Some("b.example"), 5),
        ("GET", "/pets", Some("[::1]:8080"), 9),
        ("GET", "/pets", Some("[::1]"), 9),
        ("GET", "/pets", Some("xa.example"), 1),
        ("GET", "/pets", Some(""), 1),
        ("BREW", "/pets", None, 0),
    ];
    for (method, uri, host, expected) in cases {
        assert_eq!(*table.find(&ask(method, uri, host)), expected, "{method} {uri} {host:?}");
    }
}

#[test]
fn head_may_have_a_route_of_its_own() {
    let routes = [
        pattern("", &[Method::GET], "/a"),
        pattern("", &[Method::HEAD], "/a"),
        pattern("", &[Method::GET], "/b"),
    ];
    let table = table(&routes).unwrap();
    assert_eq!(*table.find(&ask("HEAD", "/a", None)), 1);
    assert_eq!(*table.find(&ask("HEAD", "/b", None)), 2);
}

#[test]
fn bad_patterns_are_named() {
    let deep = "/a".repeat(129);
    let cases: &[(&[RoutePattern], &str)] = &[
        (
            &[pattern("", &[], "/a/{id}"), pattern("", &[], "/a/{name}")],
            "`/a/{name}` conflicts with `/a/{id}`",
        ),
        (&[pattern("", &[Method::PUT], "/a"), pattern("", &[Method::PUT], "/a")], "`/a` conflicts"),
        (&[pattern("", &[], ""), pattern("", &[], "")], "`any path` conflicts"),
        (
            &[
                pattern("", &[], "/{a}-{b}.z"),
                pattern("", &[Method::PUT], "/"),
                pattern("", &[], "/{c}-{d}.z"),
            ],
            "`/{c}-{d}.z` conflicts with `/{a}-{b}.z`",
        ),
        (&[pattern("", &[], "/caf%C3%A9"), pattern("", &[], "/café")], "`/café` conflicts with `/caf%C3%A9`"),
        (&[pattern("", &[], "/{")], "`/{` is malformed: a `{` has no `}`"),
        (&[pattern("", &[], "/a}")], "`/a}` is malformed: a `}` has no `{`"),
        (&[pattern("", &[], "/{a/b}")], "`/{a/b}` is malformed: a `{` has no `}`"),
        (&[pattern("", &[], "/{}")], "`/{}` is malformed: `{}` has no name"),
        (&[pattern("", &[], "/{*}")], "`/{*}` is malformed: `{*}` has no name"),
        (&[pattern("", &[], "/{*a}/b")], "`/{*a}/b` is malformed: `{*a}` takes the rest"),
        (&[pattern("", &[], "/x{*a}")], "`/x{*a}` is malformed: `{*a}` takes the rest"),
        (&[pattern("", &[], "/{x}{*a}")], "`/{x}{*a}` is malformed: `{*a}` takes the rest"),
        (&[pattern("", &[], "/{x}?y=1")], "`/{x}?y=1` is malformed: `?y=1` has a query"),
        (&[pattern("", &[], "a")], "`a` is malformed: a path starts with `/`: write `/a`"),
        (&[pattern("", &[], &deep)], "it has more than 128 segments"),
        (&[pattern("a:80", &[], "")], "host `a:80`"),
        (&[pattern("*.a", &[], "")], "host `*.a`"),
        (&[pattern("a/b", &[], "")], "host `a/b`"),
    ];
    for (routes, message) in cases {
        let error = table(routes).unwrap_err().to_string();
        assert!(error.contains(message), "{error} / {message}");
    }
}

/// Which of the patterns, if any, is for a GET of a path.
fn found(table: &RouteTable<usize>, path: &str) -> Option<usize> {
    Some(*table.find(&ask("GET", path, None))).filter(|found| *found != usize::MAX)
}

#[test]
fn parameters_may_have_text_beside_them() {
    let patterns = [
        "/compare/{base}...{head}",
        "/compare/{refs}",
        "/pets/{id}",
        "/pets/{id}.json",
        "/pets/{name}:cancel",
        "/pets/{a}-{b}",
        "/pets/cat-{b}",
        "/pets/{*rest}",
        "/range(address='{address}')",
        "/x{a}{b}y",
    ];
    let patterns: Vec<_> = patterns.iter().map(|path| pattern("", &[], path)).collect();
    let table = table(&patterns).unwrap();
    let cases = [
        ("/compare/main...topic", Some(0)),
        ("/compare/a...b...c", Some(0)),
        ("/compare/main..topic", Some(1)),
        ("/compare/main...", Some(1)),
        ("/compare/...", Some(1)),
        ("/compare/....", Some(1)),
        ("/compare/.....", Some(0)),
        ("/pets/7", Some(2)),
        ("/pets/7.json", Some(3)),
        ("/pets/.json", Some(2)),
        ("/pets/7.json:cancel", Some(4)),
        ("/pets/:cancel", Some(2)),
        ("/pets/7-8", Some(5)),
        ("/pets/7-8.json", Some(3)),
        ("/pets/cat-8", Some(6)),
        ("/pets/cat-", Some(2)),
        ("/pets/cat-8/toys", Some(7)),
        ("/pets/", None),
        ("/pets//", Some(7)),
        ("/range(address='A1:B2')", Some(8)),
        ("/range(address='')", None),
        ("/x12y", Some(9)),
        ("/x1y", None),
    ];
    for (path, expected) in cases {
        assert_eq!(found(&table, path), expected, "{path}");
    }
}

#[test]
fn a_dead_end_is_left_for_the_next_best() {
    let patterns = ["/a/b/c", "/a/{x}/d", "/{x}/b/e", "/a/{x}-{y}/f", "/{*rest}", "/a/b/{z}/g"];
    let patterns: Vec<_> = patterns.iter().map(|path| pattern("", &[], path)).collect();
    let table = table(&patterns).unwrap();
    let cases = [
        ("/a/b/c", 0),
        ("/a/b/d", 1),
        ("/a/b/e", 2),
        ("/a/1-2/f", 3),
        ("/a/1-2/d", 1),
        ("/a/b/h", 4),
        ("/a/b/c/g", 5),
    ];
    for (path, expected) in cases {
        assert_eq!(found(&table, path), Some(expected), "{path}");
    }
}

#[test]
fn paths_are_compared_as_they_are_but_for_encoding() {
    let patterns = [
        "/pets",
        "/pets/",
        "/caf%c3%A9/{id}",
        "/a b",
        "/{{a}}",
        "/{b}/x",
        "/one%2Ftwo",
        "/%25",
        "/v1//x",
        "/",
    ];
    let patterns: Vec<_> = patterns.iter().map(|path| pattern("", &[], path)).collect();
    let table = table(&patterns).unwrap();
    let long = format!("/{}%20/x", "y".repeat(5_000));
    let cases = [
        ("/pets", Some(0)),
        ("/pets/", Some(1)),
        ("//pets", None),
        ("/pets//", None),
        ("/Pets", None),
        ("/%70%65ts", Some(0)),
        ("/pets?x=/pets/", Some(0)),
        ("http://a.example/pets?x", Some(0)),
        ("http://a.example", Some(9)),
        ("/caf%C3%a9/1", Some(2)),
        ("/café/1", Some(2)),
        ("/a%20b", Some(3)),
        ("/%7Ba%7d", Some(4)),
        ("/{a}", Some(4)),
        ("/one%2ftwo", Some(6)),
        ("/one/two", None),
        ("/one%252Ftwo", None),
        ("/%25", Some(7)),
        ("/%", None),
        ("/%2", None),
        ("/%zz/x", Some(5)),
        ("/a%2Fb/x", Some(5)),
        ("/v1//x", Some(8)),
        ("/v1/y", None),
        ("/./x", Some(5)),
        ("/", Some(9)),
        (&*long, Some(5)),
    ];
    for (path, expected) in cases {
        assert_eq!(found(&table, path), expected, "{path}");
    }
    assert_eq!(*table.find(&ask("OPTIONS", "*", None)), usize::MAX);
    assert_eq!(*table.find(&ask("CONNECT", "a.example:443", None)), usize::MAX);
}

#[test]
fn ten_thousand_routes_are_told_apart() {
    let routes: Vec<_> = (0..10_000)
        .map(|number| {
            pattern(&format!("h{}", number % 100), &[Method::GET], &format!("/api/v{number}/{{id}}"))
        })
        .collect();
    let table = table(&routes).unwrap();
    for number in [0, 99, 5_000, 9_999] {
        let request = ask("GET", &format!("/api/v{number}/7"), Some(&format!("h{}", number % 100)));
        assert_eq!(*table.find(&request), number);
    }
}

/// Numbers that look random, the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }

    fn pick<'a>(&mut self, texts: &[&'a str]) -> &'a str {
        texts[self.below(texts.len())]
    }

    fn pattern(&mut self) -> String {
        let mut pattern = String::new();
        for _ in 0..=self.below(3) {
            pattern.push('/');
            let parts = ["{p}", "{p}", "{q}", "a", "b", "ab", "-", "{{", "%61", "é"];
            (0..self.below(4)).for_each(|_| pattern.push_str(self.pick(&parts)));
        }
        if self.below(6) == 0 {
            pattern.push_str("/{*rest}");
        }
        pattern
    }

    /// A path, half of the time one that fits a pattern.
    fn path(&mut self, pattern: &str) -> String {
        if self.below(2) == 0 {
            let parts = ["a", "b", "ab", "-", "x%2F", "é"];
            let first = pattern.replace("{p}", self.pick(&parts)).replace("{*rest}", self.pick(&parts));
            return first.replace("{q}", self.pick(&parts)).replace("{{", self.pick(&["{", "%7b"]));
        }
        let mut path = String::new();
        for _ in 0..=self.below(4) {
            path.push('/');
            let parts = ["a", "b", "ab", "-", "%61", "%7B", "{", "x", "%2F", "%C3%A9"];
            (0..self.below(4)).for_each(|_| path.push_str(self.pick(&parts)));
        }
        path
    }
}

/// Whether a pattern fits a path, tried out byte by byte on the text of both.
fn fits(pattern: &[u8], path: &[u8]) -> bool {
    match (pattern, path) {
        ([b'{', b'{', pattern @ ..], [b'{', path @ ..]) => fits(pattern, path),
        ([b'{', b'{', ..], _) => false,
        ([b'{', b'*', ..], _) => !path.is_empty(),
        ([b'{', ..], _) => {
            let after = 1 + pattern.iter().position(|byte| *byte == b'}').unwrap();
            let segment = path.iter().position(|byte| *byte == b'/').unwrap_or(path.len());
            (1..=segment).any(|end| fits(&pattern[after..], &path[end..]))
        }
        ([], []) => true,
        ([wanted, pattern @ ..], [found, path @ ..]) => wanted == found && fits(pattern, path),
        _ => false,
    }
}

/// What puts patterns in order, the most specific one first.
fn specificity(template: &Template) -> Vec<(u8, std::cmp::Reverse<[usize; 3]>, Option<Mixed>)> {
    let mut keys: Vec<_> = template
        .segments
        .iter()
        .map(|segment| match segment {
            Segment::Literal(_) => (0, std::cmp::Reverse([0; 3]), None),
            Segment::Mixed(mixed) => {
                let lengths = [mixed.text(), mixed.prefix.len(), mixed.suffix.len()];
                (1, std::cmp::Reverse(lengths), Some(mixed.clone()))
            }
            Segment::Parameter => (2, std::cmp::Reverse([0; 3]), None),
        })
        .collect();
    keys.extend(template.has_rest.then_some((3, std::cmp::Reverse([0; 3]), None)));
    keys
}

#[test]
fn what_is_found_is_what_trying_every_pattern_finds() {
    let mut numbers = Numbers(0x2545_F491_4F6C_DD1D);
    let mut hits = 0;
    for _ in 0..2_000 {
        let mut patterns: Vec<(Template, String)> = Vec::new();
        for _ in 0..=numbers.below(12) {
            let pattern = numbers.pattern();
            let template = Template::parse(&pattern).unwrap();
            if patterns.iter().all(|(known, _)| *known != template) {
                patterns.push((template, pattern));
            }
        }
        let routes: Vec<_> = patterns.iter().map(|(_, path)| pattern("", &[], path)).collect();
        let table = table(&routes).unwrap();
        for _ in 0..20 {
            let (_, some) = &patterns[numbers.below(patterns.len())];
            let path = numbers.path(some);
            let plain = |text: &str| {
                text.replace("%61", "a").replace("%7B", "{").replace("%7b", "{").replace("%C3%A9", "é")
            };
            let fitting = patterns
                .iter()
                .enumerate()
                .filter(|(_, (_, text))| fits(plain(text).as_bytes(), plain(&path).as_bytes()));
            let expected =
                fitting.min_by_key(|(_, (template, _))| specificity(template)).map(|(index, _)| index);
            assert_eq!(found(&table, &path), expected, "{path} in {:#?}", routes);
            hits += usize::from(expected.is_some());
        }
    }
    assert!(hits > 10_000, "{hits} of 40,000 paths were somebody's");
}
