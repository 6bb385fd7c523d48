pub(super) fn schema_of<T>() -> serde_json::Value {
    serde_json::Value::Null
}
