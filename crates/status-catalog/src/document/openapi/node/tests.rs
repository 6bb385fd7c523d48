use super::*;

fn parse(text: &str) -> Tree {
    Tree::parse(text).expect(text)
}

fn place(tree: &Tree, path: &[&str]) -> (u32, u32) {
    let (last, parents) = path.split_last().expect("a name");
    let parent = parents.iter().fold(&tree.root, |node, name| node.get(name).expect(name));
    let at = parent.member(last).expect(last).at;
    (at.line, at.column)
}

#[test]
fn places_are_those_of_the_names() {
    let yaml = "a:\n  # x\n  'b':\n    - 1\n  200: {é: ~, d: 2}\n";
    let json = "{\"a\":\n  {\"b\": [\n1],\n  \"200\": {\"é\": null, \"d\": 2}}}\n";
    let (yaml, json) = (parse(yaml), parse(json));
    assert_eq!((place(&yaml, &["a"]), place(&yaml, &["a", "b"])), ((1, 1), (3, 3)));
    assert_eq!((place(&yaml, &["a", "200"]), place(&yaml, &["a", "200", "d"])), ((5, 3), (5, 15)));
    assert_eq!((place(&json, &["a"]), place(&json, &["a", "b"])), ((1, 2), (2, 4)));
    assert_eq!((place(&json, &["a", "200"]), place(&json, &["a", "200", "d"])), ((4, 3), (4, 22)));
}

#[test]
fn merged_maps_give_what_the_map_has_not() {
    let tree = parse("a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nc: {<<: [*a, *b], x: 3}\nd: {'<<': 4}\n");
    let members = |name: &str| -> Vec<String> {
        let node = tree.root.get(name).expect(name);
        node.members()
            .iter()
            .map(|member| format!("{}{}", member.name, member.node.text().unwrap_or("?")))
            .collect()
    };
    assert_eq!(members("c"), ["x3", "y1", "z2"]);
    assert_eq!(members("d"), ["<<4"]);
}

#[test]
fn of_a_repeated_name_the_last_counts_and_it_is_told() {
    let many: String = (0..40).map(|number| format!("k{number}: {number}\n")).collect();
    for text in ["a: 1\nb: 2\na: 3\n".to_owned(), format!("a: 1\n{many}a: 3\n")] {
        let tree = parse(&text);
        assert_eq!(tree.root.get("a").and_then(|node| node.text()), Some("3"));
        assert_eq!(tree.root.members().iter().filter(|member| &*member.name == "a").count(), 1);
        let [(at, remark)] = &*tree.remarks else { panic!("{:?}", tree.remarks) };
        assert_eq!(at.line(), text.lines().count());
        assert!(remark.contains("`a`") && remark.contains("line 1"), "{remark}");
    }
    assert_eq!(parse(&many).root.get("k17").and_then(|node| node.text()), Some("17"));
}

#[test]
fn what_is_malformed_has_its_place() {
    let cases = [
        ("{\"é\": 1,\n \"b\" 2}", 2, 6, "not JSON"),
        ("a: 1\nb: 'x", 2, 4, "not YAML"),
        ("a: 1\nb: é\0", 2, 5, "NUL"),
        ("a: &a {x: 1}\nb: [*c]\n", 2, 5, "not YAML"),
    ];
    for (text, line, column, message) in cases {
        let malformed = Tree::parse(text).expect_err(text);
        assert!(malformed.message.contains(message), "{text}: {}", malformed.message);
        assert_eq!((malformed.line, malformed.column), (line, column), "{text}: {}", malformed.message);
    }
}

#[test]
fn bombs_are_refused() {
    let levels = |line: &dyn Fn(usize) -> String, count| (1..count).map(line).collect::<String>();
    let deep = levels(&|level| format!("a{level}: &a{level} [*a{}]\n", level - 1), 300_000);
    let merged = levels(&|level| format!("m{level}: {{<<: *big}}\n"), 5_000);
    let big: String = (0..1_000).map(|number| format!("k{number}: ,")).collect();
    let cases = [
        (format!("a0: &a0 [1]\n{deep}"), "nested more than 256 deep"),
        (format!("[{}", "[".repeat(100_000)), "recursion limit"),
        ((0..600).map(|level| format!("{:level$}a:\n", "")).collect(), "nested more than 256 deep"),
        (format!("{{\"a\":{}", "[".repeat(100_000)), "recursion limit"),
        (format!("big: &big {{{big}}}\n{merged}"), "merges more than"),
    ];
    for (text, message) in cases {
        let malformed = Tree::parse(&text).expect_err(message);
        assert!(malformed.message.contains(message), "{}", malformed.message);
    }
}

#[test]
fn the_first_of_several_documents_is_read() {
    let tree = parse("---\na: 1\n---\nb: 2\n");
    assert!(tree.root.get("a").is_some() && tree.root.get("b").is_none());
    assert_eq!(tree.remarks.iter().map(|(at, _)| at.line()).collect::<Vec<_>>(), [3]);
    assert!(parse("---\na: 1\n...\n").remarks.is_empty());
}
