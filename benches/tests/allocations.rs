//! How many allocations a layer adds to a call: `cargo test -p status-benches -- --nocapture` prints the table.

use status_benches::{Case, Contestant};

/// Allocations of one call, once everything is warm.
fn allocations(contestant: Contestant, case: Case) -> f64 {
    const CALLS: u32 = 1_000;
    let mut call = contestant.caller(case);
    (0..100).for_each(|_| call());
    let counted = allocation_counter::measure(|| (0..CALLS).for_each(|_| call()));
    counted.count_total as f64 / f64::from(CALLS)
}

#[test]
fn the_layer_adds_none_to_a_pass_and_two_to_a_rewrite() {
    println!("| case | layer | allocations added |\n|---|---|---:|");
    for case in Case::ALL {
        for contestant in Contestant::LAYERS {
            let added = allocations(contestant, case) - allocations(contestant.bare(), case);
            println!("| `{}` | `{}` | {added} |", case.name(), contestant.name());
            if contestant == Contestant::StatusNormalize {
                // The header map's own two: the fields that a rewrite sets do not fit where the old ones stood.
                let most = if case == Case::Html502 { 2.0 } else { 0.0 };
                assert!(added <= most, "{added} allocations for {}", case.name());
            }
        }
    }
}
