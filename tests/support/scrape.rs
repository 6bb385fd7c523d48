//! Reads the text that Prometheus scrapes.

use std::collections::BTreeMap;

/// One series.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) value: f64,
}

/// One scrape.
#[derive(Clone, Debug)]
pub(crate) struct Scrape {
    pub(crate) text: String,
    pub(crate) samples: Vec<Sample>,
}

impl Scrape {
    /// Parses the exposition text.
    ///
    /// # Panics
    ///
    /// If a line is not what the format allows.
    pub(crate) fn parse(text: String) -> Self {
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        let samples = lines.map(Sample::parse).collect();
        Self { text, samples }
    }

    /// The sum over the series of `name` that carry all of `labels`.
    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.matching(name, labels).map(|sample| sample.value).sum()
    }

    pub(crate) fn matching<'a>(
        &'a self,
        name: &'a str,
        labels: &'a [(&'a str, &'a str)],
    ) -> impl Iterator<Item = &'a Sample> {
        self.samples.iter().filter(move |sample| {
            let carries =
                |(key, value): &(&str, &str)| sample.labels.get(*key).is_some_and(|found| found == value);
            sample.name == name && labels.iter().all(carries)
        })
    }
}

impl Sample {
    fn parse(line: &str) -> Self {
        let name_end = line.find(['{', ' ']).unwrap_or_else(|| panic!("{line:?} has a value"));
        let (name, mut rest) = line.split_at(name_end);
        let mut labels = BTreeMap::new();
        if let Some(inner) = rest.strip_prefix('{') {
            rest = inner;
            while let Some((key, value)) = rest.split_once("=\"").filter(|_| !rest.starts_with('}')) {
                let mut end = 0;
                let bytes = value.as_bytes();
                while bytes[end] != b'"' {
                    end += if bytes[end] == b'\\' { 2 } else { 1 };
                }
                labels.insert(key.trim_start_matches(',').to_owned(), value[..end].to_owned());
                rest = &value[end + 1..];
            }
            rest = rest.strip_prefix('}').unwrap_or_else(|| panic!("{line:?} ends its labels"));
        }
        let value = rest.split_whitespace().next().and_then(|value| value.parse().ok());
        Self {
            name: name.to_owned(),
            labels,
            value: value.unwrap_or_else(|| panic!("{line:?} has a number")),
        }
    }
}
