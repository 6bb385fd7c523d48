//! A recorder that keeps everything it is told, for assertions.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, LocalRecorderGuard, Metadata,
    Recorder, SharedString, Unit,
};

type Labels = BTreeMap<String, String>;

#[derive(Debug, Default)]
struct Kept {
    series: BTreeMap<(String, Labels), Arc<Series>>,
    descriptions: BTreeMap<String, (Option<Unit>, String)>,
}

/// The samples of one series, in order.
#[derive(Debug, Default)]
struct Series(Mutex<Vec<f64>>);

impl Series {
    fn samples(&self) -> MutexGuard<'_, Vec<f64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a recorder was told. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Recorded(Arc<Mutex<Kept>>);

impl Recorded {
    /// A recorder that was told nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes this the recorder of the current thread for as long as the guard lives.
    pub fn install(&self) -> LocalRecorderGuard<'_> {
        metrics::set_default_local_recorder(self)
    }

    /// The sum of the series of that name that have these labels.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.matching(name, labels).iter().map(|series| series.samples().iter().sum::<f64>()).sum()
    }

    /// The number of samples in the series of that name that have these labels.
    pub fn samples(&self, name: &str, labels: &[(&str, &str)]) -> usize {
        self.matching(name, labels).iter().map(|series| series.samples().len()).sum()
    }

    /// Every series of that name, its labels and its sum.
    pub fn series(&self, name: &str) -> Vec<(Labels, f64)> {
        let kept = self.kept();
        let named = kept.series.iter().filter(|((known, _), _)| known == name);
        named.map(|((_, labels), series)| (labels.clone(), series.samples().iter().sum())).collect()
    }

    /// The names of all series, each once.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = self.kept().series.keys().map(|(name, _)| name.clone()).collect();
        names.dedup();
        names
    }

    /// The unit and text of a description.
    pub fn description(&self, name: &str) -> Option<(Option<Unit>, String)> {
        self.kept().descriptions.get(name).cloned()
    }

    fn matching(&self, name: &str, labels: &[(&str, &str)]) -> Vec<Arc<Series>> {
        let has =
            |known: &Labels| labels.iter().all(|(key, value)| known.get(*key).is_some_and(|v| v == value));
        let kept = self.kept();
        let matching = kept.series.iter().filter(|((known, labels), _)| known == name && has(labels));
        matching.map(|(_, series)| series.clone()).collect()
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn register(&self, key: &Key) -> Arc<Series> {
        let labels = key.labels().map(|label| (label.key().to_owned(), label.value().to_owned())).collect();
        self.kept().series.entry((key.name().to_owned(), labels)).or_default().clone()
    }

    fn describe(&self, name: &KeyName, unit: Option<Unit>, text: &SharedString) {
        self.kept().descriptions.insert(name.as_str().to_owned(), (unit, text.to_string()));
    }
}

impl Recorder for Recorded {
    fn describe_counter(&self, key: KeyName, unit: Option<Unit>, text: SharedString) {
        self.describe(&key, unit, &text);
    }

    fn describe_gauge(&self, key: KeyName, unit: Option<Unit>, text: SharedString) {
        self.describe(&key, unit, &text);
    }

    fn describe_histogram(&self, key: KeyName, unit: Option<Unit>, text: SharedString) {
        self.describe(&key, unit, &text);
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.register(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.register(key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.register(key))
    }
}

impl CounterFn for Series {
    fn increment(&self, value: u64) {
        self.samples().push(value as f64);
    }

    fn absolute(&self, value: u64) {
        *self.samples() = vec![value as f64];
    }
}

impl GaugeFn for Series {
    fn increment(&self, value: f64) {
        self.samples().push(value);
    }

    fn decrement(&self, value: f64) {
        self.samples().push(-value);
    }

    fn set(&self, value: f64) {
        *self.samples() = vec![value];
    }
}

impl HistogramFn for Series {
    fn record(&self, value: f64) {
        self.samples().push(value);
    }
}
