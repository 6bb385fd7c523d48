//! Time to find the route of a request: `cargo bench -p status-benches --bench routes`.

use std::hint::black_box;

use divan::Bencher;

fn main() {
    divan::main();
}

/// By the number of operations of the API, all of them asked in turn.
#[divan::bench(args = [1, 10, 100, 700, 1_000, 10_000], sample_count = 200, sample_size = 20_000)]
fn operation(bencher: Bencher<'_, '_>, operations: usize) {
    let (table, requests) = status_benches::routes::api(operations);
    let mut turns = requests.iter().cycle();
    bencher.bench_local(|| *table.find(black_box(turns.next().expect("there is no end"))));
}

/// The longest template of the API, with five parameters.
#[divan::bench(args = [15, 700, 10_000], sample_count = 200, sample_size = 20_000)]
fn five_parameters(bencher: Bencher<'_, '_>, operations: usize) {
    let (table, requests) = status_benches::routes::api(operations);
    let longest = requests.iter().max_by_key(|request| request.uri().path().len());
    let longest = longest.expect("there are requests");
    bencher.bench_local(|| *table.find(black_box(longest)));
}
