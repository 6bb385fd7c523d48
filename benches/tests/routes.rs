//! What it takes to find the route of a request.

use status_benches::routes::api;

#[test]
fn finding_an_operation_allocates_nothing() {
    for operations in [1, 700, 10_000] {
        let (table, requests) = api(operations);
        let mut found = vec![0_u32; operations];
        let counted = allocation_counter::measure(|| {
            for request in &requests {
                found[*table.find(request)] += 1;
            }
        });
        assert_eq!(counted.count_total, 0, "{operations} operations");
        assert!(found.iter().all(|times| *times == 1), "each request is one operation's");
    }
}

#[test]
fn an_encoded_path_allocates_nothing() {
    let (table, _) = api(700);
    let uri = "/v1/repos/a%20b/%C3%A9/things-1/7/comments/8/reactions/%68eart";
    let request = http::Request::get(uri).body(()).expect("a path is a target");
    let mut found = usize::MAX;
    let counted = allocation_counter::measure(|| found = *table.find(&request));
    assert_eq!(counted.count_total, 0);
    assert_eq!(found, 27);
}
