//! What is counted, kept in atomics and written out for Prometheus.
//!
//! The exporter crate's own recorder keeps each sample of a histogram until somebody renders it; this one has fixed
//! buckets, so that an unscraped program does not grow and recording never allocates. The text is the exporter crate's.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Write as _,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use metrics::{
    Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SetRecorderError, SharedString,
    Unit,
};
use metrics_exporter_prometheus::{
    LabelSet,
    formatting::{write_help_line, write_metric_line, write_type_line},
};
use status_normalize::DURATION_BUCKETS as BOUNDS;

/// The recorder. Clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct PrometheusRecorder(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    counters: Series<AtomicU64>,
    gauges: Series<AtomicU64>,
    histograms: Series<Buckets>,
    descriptions: Mutex<BTreeMap<String, SharedString>>,
}

/// Which text a scraper asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Exposition {
    OpenMetrics,
    Prometheus,
}

impl Exposition {
    /// What a scraper's `Accept` asks for.
    pub(crate) fn negotiate(accept: &str) -> Self {
        if accept.contains("application/openmetrics-text") { Self::OpenMetrics } else { Self::Prometheus }
    }

    /// The value of `Content-Type`.
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

impl PrometheusRecorder {
    /// A recorder that knows nothing yet.
    pub(crate) fn new() -> Self {
        Self(Arc::default())
    }

    /// Makes this the recorder of the process.
    pub(crate) fn install(&self) -> Result<(), SetRecorderError<Self>> {
        metrics::set_global_recorder(self.clone())
    }

    /// Everything, with the process's own figures, in order of names and labels.
    pub(crate) fn render(&self, exposition: Exposition) -> String {
        let families = self.families();
        let mut text = String::with_capacity(4096);
        {
            let descriptions = self.0.descriptions.lock().unwrap_or_else(PoisonError::into_inner);
            for (name, family) in &families {
                let kind = family.kind();
                // OpenMetrics names a counter without the suffix of its samples.
                let titled = match (exposition, kind) {
                    (Exposition::OpenMetrics, "counter") => name.strip_suffix("_total").unwrap_or(name),
                    _ => name,
                };
                if let Some(description) = descriptions.get(name) {
                    write_help_line(&mut text, titled, None, None, description);
                }
                write_type_line(&mut text, titled, None, None, kind);
                family.write(name, &mut text);
            }
        }
        write_process(&mut text, exposition);
        if exposition == Exposition::OpenMetrics {
            text.push_str("# EOF\n");
        }
        text
    }

    /// Visits each series of a counter.
    pub(crate) fn each_counter(&self, name: &str, mut visit: impl FnMut(&Key, u64)) {
        self.0.counters.each(|key, counter| {
            if key.name() == name {
                visit(key, counter.load(Relaxed));
            }
        });
    }

    fn families(&self) -> BTreeMap<String, Family> {
        let mut families: BTreeMap<String, Family> = BTreeMap::new();
        let Inner { counters, gauges, histograms, descriptions: _ } = &*self.0;
        counters.each(|key, counter| {
            let family =
                families.entry(key.name().to_owned()).or_insert_with(|| Family::Counters(Vec::new()));
            if let Family::Counters(series) = family {
                series.push((labels(key), counter.load(Relaxed)));
            }
        });
        gauges.each(|key, gauge| {
            let family = families.entry(key.name().to_owned()).or_insert_with(|| Family::Gauges(Vec::new()));
            if let Family::Gauges(series) = family {
                series.push((labels(key), f64::from_bits(gauge.load(Relaxed))));
            }
        });
        histograms.each(|key, buckets| {
            let family =
                families.entry(key.name().to_owned()).or_insert_with(|| Family::Histograms(Vec::new()));
            if let Family::Histograms(series) = family {
                series.push((labels(key), buckets.clone()));
            }
        });
        families.values_mut().for_each(Family::sort);
        families
    }

    fn describe(&self, name: &KeyName, description: SharedString) {
        let mut descriptions = self.0.descriptions.lock().unwrap_or_else(PoisonError::into_inner);
        descriptions.entry(name.as_str().to_owned()).or_insert(description);
    }
}

impl Recorder for PrometheusRecorder {
    fn describe_counter(&self, name: KeyName, _unit: Option<Unit>, description: SharedString) {
        self.describe(&name, description);
    }

    fn describe_gauge(&self, name: KeyName, _unit: Option<Unit>, description: SharedString) {
        self.describe(&name, description);
    }

    fn describe_histogram(&self, name: KeyName, _unit: Option<Unit>, description: SharedString) {
        self.describe(&name, description);
    }

    fn register_counter(&self, key: &Key, _metadata: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.0.counters.get(key))
    }

    fn register_gauge(&self, key: &Key, _metadata: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.0.gauges.get(key))
    }

    fn register_histogram(&self, key: &Key, _metadata: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.0.histograms.get(key))
    }
}

/// The series of one kind. One lock for all will do: whoever counts at each request has kept what it was given.
#[derive(Debug)]
struct Series<T>(Mutex<HashMap<Key, Arc<T>>>);

impl<T> Default for Series<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Default> Series<T> {
    fn get(&self, key: &Key) -> Arc<T> {
        let mut series = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match series.get(key) {
            Some(known) => known.clone(),
            None => series.entry(key.clone()).or_default().clone(),
        }
    }

    fn each(&self, mut visit: impl FnMut(&Key, &Arc<T>)) {
        let series = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        series.iter().for_each(|(key, one)| visit(key, one));
    }
}

/// A histogram of seconds: how many values fell between two bounds, the last place being beyond all, and their sum.
#[derive(Debug, Default)]
pub(crate) struct Buckets {
    counts: [AtomicU64; BOUNDS.len() + 1],
    /// In nanoseconds: a sum of integers needs no loop, and 64 bits last for five centuries.
    nanoseconds: AtomicU64,
}

impl HistogramFn for Buckets {
    fn record(&self, value: f64) {
        self.record_many(value, 1);
    }

    fn record_many(&self, value: f64, count: usize) {
        // Most values are in the first ones, and who waits for the others has the time.
        let bucket = BOUNDS.iter().position(|bound| value <= *bound).unwrap_or(BOUNDS.len());
        self.counts[bucket].fetch_add(count as u64, Relaxed);
        self.nanoseconds.fetch_add((value * 1e9 + 0.5) as i64 as u64 * count as u64, Relaxed);
    }
}

impl Buckets {
    fn write(&self, name: &str, labels: &LabelSet, text: &mut String) {
        let mut count = 0;
        for (bucket, bound) in self.counts.iter().zip(BOUNDS) {
            count += bucket.load(Relaxed);
            write_metric_line(text, name, Some("bucket"), labels, Some(("le", bound)), count, None);
        }
        count += self.counts[BOUNDS.len()].load(Relaxed);
        write_metric_line(text, name, Some("bucket"), labels, Some(("le", "+Inf")), count, None);
        let seconds = self.nanoseconds.load(Relaxed) as f64 / 1e9;
        write_metric_line::<&str, _>(text, name, Some("sum"), labels, None, seconds, None);
        write_metric_line::<&str, _>(text, name, Some("count"), labels, None, count, None);
    }
}

/// The series of one name.
enum Family {
    Counters(Vec<(LabelSet, u64)>),
    Gauges(Vec<(LabelSet, f64)>),
    Histograms(Vec<(LabelSet, Arc<Buckets>)>),
}

impl Family {
    fn kind(&self) -> &'static str {
        match self {
            Self::Counters(_) => "counter",
            Self::Gauges(_) => "gauge",
            Self::Histograms(_) => "histogram",
        }
    }

    fn sort(&mut self) {
        let text = |labels: &LabelSet| labels.to_strings().collect::<Vec<_>>();
        match self {
            Self::Counters(series) => series.sort_by_cached_key(|(labels, _)| text(labels)),
            Self::Gauges(series) => series.sort_by_cached_key(|(labels, _)| text(labels)),
            Self::Histograms(series) => series.sort_by_cached_key(|(labels, _)| text(labels)),
        }
    }

    fn write(&self, name: &str, text: &mut String) {
        match self {
            Self::Counters(series) => {
                for (labels, value) in series {
                    write_metric_line::<&str, _>(text, name, None, labels, None, value, None);
                }
            }
            Self::Gauges(series) => {
                for (labels, value) in series {
                    write_metric_line::<&str, _>(text, name, None, labels, None, value, None);
                }
            }
            Self::Histograms(series) => {
                for (labels, buckets) in series {
                    buckets.write(name, labels, text);
                }
            }
        }
    }
}

fn labels(key: &Key) -> LabelSet {
    LabelSet::from_key_and_global(key, &Default::default())
}

/// The figures that every Prometheus client gives of its process. Through the facade CPU time would be a counter of
/// whole seconds.
fn write_process(text: &mut String, exposition: Exposition) {
    let process = metrics_process::collector::collect();
    let whole = |number: Option<u64>| number.map(|number| number as f64);
    let counter = match exposition {
        Exposition::OpenMetrics => "process_cpu_seconds",
        Exposition::Prometheus => "process_cpu_seconds_total",
    };
    let gauge = |name| (name, name, "gauge");
    let figures = [
        (
            ("process_cpu_seconds_total", counter, "counter"),
            process.cpu_seconds_total,
            "Total user and system CPU time spent in seconds.",
        ),
        (gauge("process_max_fds"), whole(process.max_fds), "Maximum number of open file descriptors."),
        (gauge("process_open_fds"), whole(process.open_fds), "Number of open file descriptors."),
        (
            gauge("process_resident_memory_bytes"),
            whole(process.resident_memory_bytes),
            "Resident memory size in bytes.",
        ),
        (
            gauge("process_start_time_seconds"),
            whole(process.start_time_seconds),
            "Start time of the process since unix epoch in seconds.",
        ),
        (gauge("process_threads"), whole(process.threads), "Number of OS threads in the process."),
        (
            gauge("process_virtual_memory_bytes"),
            whole(process.virtual_memory_bytes),
            "Virtual memory size in bytes.",
        ),
    ];
    for ((name, titled, kind), value, description) in figures {
        if let Some(value) = value {
            write_help_line(text, titled, None, None, description);
            write_type_line(text, titled, None, None, kind);
            let _ = writeln!(text, "{name} {value}");
        }
    }
}

#[cfg(test)]
mod tests {
    use metrics::Level;

    use super::*;

    static METADATA: Metadata<'static> = Metadata::new("test", Level::INFO, None);

    #[test]
    fn families_are_written_in_order_with_help_and_type() {
        let recorder = PrometheusRecorder::new();
        recorder.describe_counter("b_total".into(), None, "Counts.".into());
        recorder.describe_gauge("a".into(), None, "Stands.".into());
        for class in ["normal", "abnormal"] {
            let key = Key::from_parts("b_total", vec![metrics::Label::new("class", class)]);
            recorder.register_counter(&key, &METADATA).increment(2);
        }
        recorder.register_gauge(&Key::from_name("a"), &METADATA).set(1.5);
        let expected = "# HELP a Stands.\n# TYPE a gauge\na 1.5\n# HELP b_total Counts.\n# TYPE b_total counter\n\
                        b_total{class=\"abnormal\"} 2\nb_total{class=\"normal\"} 2\n# HELP process_";
        let text = recorder.render(Exposition::Prometheus);
        assert!(text.starts_with(expected), "{text}");
        let mut total = 0;
        recorder.each_counter("b_total", |_, value| total += value);
        assert_eq!(total, 4);
    }

    /// T62
    #[test]
    fn openmetrics_names_counters_without_suffix_and_ends() {
        let recorder = PrometheusRecorder::new();
        recorder.describe_counter("b_total".into(), None, "Counts.".into());
        recorder.register_counter(&Key::from_name("b_total"), &METADATA).increment(1);
        let text = recorder.render(Exposition::OpenMetrics);
        assert!(text.starts_with("# HELP b Counts.\n# TYPE b counter\nb_total 1\n"), "{text}");
        assert!(text.contains("# TYPE process_cpu_seconds counter\nprocess_cpu_seconds_total "), "{text}");
        assert!(text.ends_with("\n# EOF\n") && !text.contains("\n\n"), "{text}");
    }

    #[test]
    fn values_fall_into_the_bucket_whose_bound_they_do_not_exceed() {
        let recorder = PrometheusRecorder::new();
        let histogram = recorder.register_histogram(&Key::from_name("d_seconds"), &METADATA);
        for value in [0.0, 0.0005, 0.000_500_1, 60.0, 61.0] {
            histogram.record(value);
        }
        let text = recorder.render(Exposition::Prometheus);
        for line in [
            "# TYPE d_seconds histogram",
            "d_seconds_bucket{le=\"0.0005\"} 2",
            "d_seconds_bucket{le=\"0.001\"} 3",
            "d_seconds_bucket{le=\"30\"} 3",
            "d_seconds_bucket{le=\"60\"} 4",
            "d_seconds_bucket{le=\"+Inf\"} 5",
            "d_seconds_sum 121.0010001",
            "d_seconds_count 5",
        ] {
            assert!(text.lines().any(|written| written == line), "{line} in {text}");
        }
    }

    #[test]
    fn labels_from_configuration_are_escaped() {
        let recorder = PrometheusRecorder::new();
        let key = Key::from_parts("r_total", vec![metrics::Label::new("route", "a\"b\nc")]);
        recorder.register_counter(&key, &METADATA).increment(1);
        let text = recorder.render(Exposition::Prometheus);
        assert!(text.contains("r_total{route=\"a\\\"b\\nc\"} 1\n"), "{text}");
    }

    #[test]
    fn scrapers_get_what_they_ask_for() {
        let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3";
        assert_eq!(Exposition::negotiate(prometheus), Exposition::OpenMetrics);
        assert_eq!(Exposition::negotiate("*/*"), Exposition::Prometheus);
        assert_eq!(Exposition::negotiate(""), Exposition::Prometheus);
    }
}
