//! Instructions that a layer adds to a call, by callgrind: `cargo bench -p status-benches --bench instructions`.
//!
//! The program runs itself under valgrind with two numbers of calls, so that what is not a call drops out, and
//! subtracts the bare service. The counts are the same on every run. Exits 1 if this project's layer is over its budget.
#![allow(clippy::print_stdout, reason = "a bench prints its table")]

use std::{
    env,
    process::{Command, ExitCode},
};

use status_benches::{Case, Contestant};

/// Calls that warm everything up, and calls that are counted.
const FEW: u64 = 500;
const MANY: u64 = 2_500;

/// What this project's layer may add.
const fn budget(case: Case) -> u64 {
    match case {
        Case::Documented200 => 600,
        // A broken promise is counted too.
        Case::Undocumented418 => 640,
        // Twelve fields are looked through.
        Case::Browser200 => 870,
        Case::Html502 => 2_320,
        // Read and judged as JSON before it passes.
        Case::Problem404 => 4_300,
    }
}

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let [contestant, case, calls] = &arguments[..] {
        let contestant = Contestant::ALL.into_iter().find(|known| known.name() == contestant);
        let case = Case::ALL.into_iter().find(|known| known.name() == case);
        let mut call = contestant.expect("a contestant").caller(case.expect("a case"));
        (0..calls.parse().expect("a number of calls")).for_each(|_| call());
        return ExitCode::SUCCESS;
    }
    if Command::new("valgrind").arg("--version").output().is_err() {
        eprintln!("ignored, because valgrind is not installed here");
        return ExitCode::SUCCESS;
    }
    let mut within = true;
    println!("| case | layer | instructions added |\n|---|---|---:|");
    for case in Case::ALL {
        for contestant in Contestant::LAYERS {
            let added = per_call(contestant, case).saturating_sub(per_call(contestant.bare(), case));
            println!("| `{}` | `{}` | {added} |", case.name(), contestant.name());
            within &= contestant != Contestant::StatusNormalize || added <= budget(case);
        }
    }
    if within { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Instructions of one call.
fn per_call(contestant: Contestant, case: Case) -> u64 {
    (instructions(contestant, case, MANY) - instructions(contestant, case, FEW)) / (MANY - FEW)
}

/// Instructions of a whole run.
fn instructions(contestant: Contestant, case: Case, calls: u64) -> u64 {
    let program = env::current_exe().expect("a running program has a path");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args([contestant.name(), case.name(), &calls.to_string()])
        .output()
        .expect("valgrind starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let collected = said.lines().find_map(|line| line.split("Collected :").nth(1));
    let collected = collected.and_then(|number| number.trim().parse().ok());
    collected.unwrap_or_else(|| panic!("callgrind says how many: {said}"))
}
