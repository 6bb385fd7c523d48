//! Time per call: `cargo bench -p status-benches --bench time`.

use divan::Bencher;
use status_benches::{Case, Contestant};

fn main() {
    divan::main();
}

macro_rules! contestants {
    ($($name:ident: $contestant:ident),+) => {
        $(
            #[divan::bench(args = Case::ALL, sample_count = 300, sample_size = 500)]
            fn $name(bencher: Bencher<'_, '_>, case: Case) {
                bencher.bench_local(Contestant::$contestant.caller(case));
            }
        )+
    };
}

contestants! {
    bare: Bare,
    bare_axum: BareAxum,
    status_normalize: StatusNormalize,
    axum_problem: AxumProblem,
    axum_prometheus: AxumPrometheus
}
