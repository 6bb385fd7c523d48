//! What the words of a header promise. Content decides first; they decide between what it allows.

/// What a header promises its column to be, better first.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Role {
    Description,
    Cause,
    Message,
    Unknown,
    Code,
    Place,
    Remedy,
}

impl Role {
    /// What the words of a header promise.
    pub(super) fn named(header: &str) -> Self {
        let header = header.to_lowercase();
        let has = |words: &[&str]| words.iter().any(|word| header.contains(word));
        if has(&[
            "solution",
            "measure",
            "handling",
            "suggestion",
            "troubleshoot",
            "action",
            "example",
            "returned after",
            "措施",
            "处理",
            "建议",
            "解决",
            "示例",
        ]) {
            Self::Remedy
        } else if has(&[
            "desc",
            "meaning",
            "explanation",
            "detail",
            "definition",
            "说明",
            "描述",
            "含义",
            "释义",
            "意义",
            "解释",
        ]) {
            Self::Description
        } else if has(&["cause", "原因"]) {
            Self::Cause
        } else if has(&["message", "信息", "提示"]) {
            Self::Message
        } else if has(&["module", "service", "category", "模块", "服务", "分类"]) {
            Self::Place
        } else {
            Self::Unknown
        }
    }
}

/// Whether a header, heading, caption or paragraph speaks of HTTP statuses.
pub(super) fn is_about_status(text: &str) -> bool {
    let lower = text.to_lowercase();
    let words = [
        "status",
        "response code",
        "return code",
        "returned code",
        "return value",
        "returned value",
        "successful response",
        "error response",
        "状态码",
        "返回码",
        "返回值",
        "响应码",
        "响应状态",
        "错误码状态",
    ];
    names_http(&lower) || (words.iter().any(|word| lower.contains(word)) && !is_foreign(&lower))
}

/// Whether a text speaks of the protocol's codes or errors; that it is used, or an address, proves nothing.
fn names_http(lower: &str) -> bool {
    let is_named =
        lower.match_indices("http").any(|(at, word)| !lower[at + word.len()..].starts_with(['s', ':']));
    let words = ["code", "error", "respon", "return", "码", "错误", "响应", "返回"];
    is_named && (lower.trim() == "http" || words.iter().any(|word| lower.contains(word)))
}

/// Whether a text speaks of something else that has numbers or a status.
fn is_foreign(lower: &str) -> bool {
    let words = [
        "country", "area", "dial", "phone", "国家", "地区", "区号", "job", "task", "任务", "作业", "exit",
        "ftp", "smtp",
    ];
    words.iter().any(|word| lower.contains(word))
}

/// Whether a header announces reason phrases.
pub(super) fn is_reason_header(header: &str) -> bool {
    let lower = header.trim().to_lowercase();
    let words = [
        "type",
        "status",
        "name",
        "message",
        "message title",
        "title",
        "code",
        "returned value",
        "return value",
        "reason",
        "reason phrase",
        "phrase",
        "编码",
        "类型",
        "返回值",
        "名称",
        "状态",
        "description",
    ];
    words.contains(&lower.as_str())
}

/// Whether a header announces numbers of another kind.
pub(super) fn is_measure(header: &str) -> bool {
    let lower = header.to_lowercase();
    let words = ["size", "limit", "quota", "length", "大小", "上限", "长度"];
    is_foreign(&lower) || words.iter().any(|word| lower.contains(word))
}
