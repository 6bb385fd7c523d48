#![no_main]

use libfuzzer_sys::fuzz_target;
use status_catalog::Format;

mod document;

fuzz_target!(|text: &str| document::import(Format::Markdown, text));
