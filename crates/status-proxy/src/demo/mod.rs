//! x
pub(crate) fn demo() -> Result<(), crate::cli::Failure> {
    Ok(())
}
