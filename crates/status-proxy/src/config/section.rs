//! Tables of the file: one declaration gives the type, the reader and the documentation of each key.

use toml::{
    Spanned,
    de::{DeString, DeValue},
};

use super::{report::Report, value::mistyped};

/// A table, read key by key.
pub(super) trait Section: Default {
    /// How messages call the table.
    const NAME: &'static str;
    /// Every key.
    const KEYS: &'static [&'static str];

    /// Reads a key; `false` if the table has none of that name.
    fn take(&mut self, key: &str, value: &Spanned<DeValue<'_>>, report: &mut Report) -> bool;

    /// What each key is.
    #[cfg(test)]
    fn describe() -> Vec<KeyDescription>;

    /// Reads a table, reporting what it should not hold.
    fn read_table<'t, 'i: 't>(
        table: impl IntoIterator<Item = (&'t Spanned<DeString<'i>>, &'t Spanned<DeValue<'i>>)>,
        report: &mut Report,
    ) -> Self {
        let mut section = Self::default();
        for (key, value) in table {
            let name = &**key.get_ref();
            if !section.take(name, value, report) {
                report.unknown_key(key, name, Self::NAME, Self::KEYS);
            }
        }
        section
    }

    /// Reads the value of a key that is a table.
    fn read_value(value: &Spanned<DeValue<'_>>, report: &mut Report) -> Option<Self> {
        let Some(table) = value.get_ref().as_table() else {
            mistyped(value, &format!("the table {}", Self::NAME), report);
            return None;
        };
        Some(Self::read_table(table, report))
    }
}

/// What a key is, for the documentation and the schema.
#[cfg(test)]
#[derive(Debug)]
pub(super) struct KeyDescription {
    pub(super) name: &'static str,
    pub(super) about: String,
    pub(super) kind: String,
    /// As TOML; empty if there is none.
    pub(super) default: &'static str,
    pub(super) schema: serde_json::Value,
}

/// Declares a table: each key with its documentation, its kind and its default as TOML (empty for none). A table may
/// end with `..policy: RawPolicy`, the keys of another one.
macro_rules! section {
    (
        $(#[doc = $about:literal])+
        $name:ident ($title:literal) {
            $( $(#[doc = $doc:literal])+ $key:ident: $kind:ty = $default:literal, )*
            $( ..$flat:ident: $flat_type:ty )?
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Debug, Default)]
        pub(super) struct $name {
            $( $(#[doc = $doc])+ pub(super) $key: Option<toml::Spanned<$kind>>, )*
            $( pub(super) $flat: $flat_type, )?
            /// The keys whose values could not be read, which is why they are missing here.
            pub(super) unreadable: Vec<&'static str>,
        }

        impl $crate::config::section::Section for $name {
            const NAME: &'static str = $title;
            const KEYS: &'static [&'static str] = &{
                const OWN: &[&str] = &[$(stringify!($key)),*];
                const FLAT: &[&str] = section!(@keys $($flat_type)?);
                let mut keys = [""; OWN.len() + FLAT.len()];
                let mut at = 0;
                while at < keys.len() {
                    keys[at] = if at < OWN.len() { OWN[at] } else { FLAT[at - OWN.len()] };
                    at += 1;
                }
                keys
            };

            fn take(
                &mut self,
                key: &str,
                value: &toml::Spanned<toml::de::DeValue<'_>>,
                report: &mut $crate::config::report::Report,
            ) -> bool {
                match key {
                    $( stringify!($key) => {
                        let read = <$kind as $crate::config::value::Value>::read(value, report);
                        if read.is_none() {
                            self.unreadable.push(stringify!($key));
                        }
                        self.$key = read.map(|read| toml::Spanned::new(value.span(), read));
                        true
                    } )*
                    _ => false $( || $crate::config::section::Section::take(&mut self.$flat, key, value, report) )?,
                }
            }

            #[cfg(test)]
            fn describe() -> Vec<$crate::config::section::KeyDescription> {
                let own = [ $( $crate::config::section::KeyDescription {
                    name: stringify!($key),
                    about: [$($doc),+].concat().trim().to_owned(),
                    kind: <$kind as $crate::config::value::Value>::kind(),
                    default: $default,
                    schema: <$kind as $crate::config::value::Value>::schema(),
                } ),* ];
                let mut all = Vec::from(own);
                $( all.extend(<$flat_type as $crate::config::section::Section>::describe()); )?
                all.shrink_to_fit();
                all
            }
        }

        impl $crate::config::value::Value for $name {
            #[cfg(test)]
            fn kind() -> String {
                "table".into()
            }

            #[cfg(test)]
            fn schema() -> serde_json::Value {
                $crate::config::documentation::schema_of::<Self>()
            }

            fn read(
                value: &toml::Spanned<toml::de::DeValue<'_>>,
                report: &mut $crate::config::report::Report,
            ) -> Option<Self> {
                $crate::config::section::Section::read_value(value, report)
            }
        }
    };
    (@keys) => { &[] };
    (@keys $flat_type:ty) => { <$flat_type as $crate::config::section::Section>::KEYS };
}

pub(super) use section;
