//! An API of any size: its routes, and a request for each.

use http::{Method, Request};
use status_normalize::{RoutePattern, RouteTable};

/// What each kind of thing of the API has. Every fifteen operations begin with another name.
const TEMPLATES: [(&str, &[Method]); 6] = [
    ("/{name}", &[Method::GET, Method::POST]),
    ("/{name}/{id}", &[Method::GET, Method::PUT, Method::PATCH, Method::DELETE]),
    ("/orgs/{org}/{name}/{id}/members/{user}", &[Method::GET, Method::PUT, Method::DELETE]),
    ("/repos/{owner}/{repo}/{name}", &[Method::GET, Method::POST]),
    ("/repos/{owner}/{repo}/{name}/compare/{base}...{head}", &[Method::GET]),
    (
        "/repos/{owner}/{repo}/{name}/{id}/comments/{comment}/reactions/{reaction}",
        &[Method::GET, Method::PUT, Method::DELETE],
    ),
];

/// The routes of an API with so many operations, and a request for each in an order without order.
///
/// # Panics
///
/// If they contradict each other, which they do not.
pub fn api(operations: usize) -> (RouteTable<usize>, Vec<Request<()>>) {
    let names = (0..).map(|number| format!("things-{number:x}"));
    let all = names.flat_map(|name| {
        TEMPLATES.into_iter().flat_map(move |(template, methods)| {
            let template = template.replace("{name}", &name);
            methods.iter().map(move |method| (method.clone(), template.clone()))
        })
    });
    let all: Vec<(Method, String)> = all.take(operations).collect();
    let patterns = all.iter().map(|(method, template)| RoutePattern {
        host: None,
        methods: vec![method.clone()],
        path: Some(format!("/v1{template}")),
    });
    let table = RouteTable::build(usize::MAX, patterns.zip(0..)).expect("each is there once");
    let mut requests: Vec<_> = all.iter().map(|(method, template)| request(method, template)).collect();
    // A prime number: neighbours in the list are none in the tree.
    let count = requests.len();
    requests.sort_by_cached_key({
        let mut place = 0;
        move |_| {
            place += 7_919;
            place % count
        }
    });
    (table, requests)
}

fn request(method: &Method, template: &str) -> Request<()> {
    let mut path = "/v1".to_owned();
    for (number, part) in template.split(['{', '}']).enumerate() {
        // What is between braces comes second each time.
        path.push_str(if number % 2 == 0 { part } else { "some-0815" });
    }
    let request = Request::builder().method(method).uri(path).header("host", "api.example.test");
    request.body(()).expect("a path is a target")
}
