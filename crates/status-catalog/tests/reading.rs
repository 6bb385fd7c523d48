//! Which column is what, on pages whose headers say little or the wrong thing.

mod common;

use common::{A, N, entry, import, read};

#[test]
fn the_only_description_is_no_phrase_however_short() {
    let page = "\
# 错误码

| Identifier | Code | HTTP Code | Description |
|---|---|---|---|
| Success | 100001 | 200 | 请求成功 |
| ErrBind | 100006 | 400 | 绑定错误 |
";
    let expected = [entry("200", N, None, "请求成功"), entry("400", A, None, "绑定错误")];
    assert_eq!(read("codes.md", page), expected);
}

#[test]
fn a_column_of_ranges_only_groups_the_codes_beside_it() {
    let page = "\
# HTTP Status Code

| Code Range | Code | Description |
|---|---|---|
| **1XX Information** | 100 | Continue |
|  | 101 | Switching Protocols |
| **2XX Success** | 200 | OK |
";
    let expected = [
        entry("100", N, Some("Continue"), "Continue"),
        entry("101", N, Some("Switching Protocols"), "Switching Protocols"),
        entry("200", N, Some("OK"), "OK"),
    ];
    assert_eq!(read("codes.md", page), expected);
}

#[test]
fn a_column_may_name_the_class_of_each_row() {
    let page = "\
# 返回码

| 类别 | 状态码 | 说明 |
|---|---|---|
| 正常 | 200 | 成功。 |
|  | 204 | 无内容。 |
| 异常 | 300 | 多种选择。 |
";
    let import = import("codes.md", page);
    let classes: Vec<_> = import.report().entries.iter().map(|entry| (entry.class, &*entry.rule)).collect();
    let expected = [("normal", "cell “正常”"), ("normal", "cell “正常”"), ("abnormal", "cell “异常”")];
    assert_eq!(classes, expected);
    assert!(import.report().to_string().contains("class: column 1 “类别” (its cells name a class)"));
}

#[test]
fn tables_side_by_side_are_read_one_below_the_other() {
    let page = "\
# HTTP status codes

| Code | Description | Code | Description |
|---|---|---|---|
| 200 | Fine. | 400 | Bad. |
| 201 | Made. |  |  |
";
    let expected =
        [entry("200", N, None, "Fine."), entry("201", N, None, "Made."), entry("400", A, None, "Bad.")];
    assert_eq!(read("codes.md", page), expected);
}

#[test]
fn rows_that_lost_a_spanning_cell_are_put_right_visibly() {
    let page = "\
# 错误码

| 模块 | HTTP状态码 | 错误码 | 错误说明 | 处理措施 |
|---|---|---|---|---|
| 公共 | 400 | VPC.0002 | 可用区为空 | 检查 |
| 404 | VPC.0003 | VPC不存在 | 检查 |
| 500409 | VPC.0004 | 异常 | 重试 |
| 带宽 | - | VPC.0005 | 401 |
";
    let expected = [entry("400", A, None, "可用区为空"), entry("404", A, None, "VPC不存在")];
    assert_eq!(read("codes.md", page), expected);
    let import = import("codes.md", page);
    let [warning] = &*import.report().warnings else { panic!("{:?}", import.report().warnings) };
    assert_eq!((warning.line, warning.text.contains("too far to the left")), (6, true));
}

#[test]
fn cells_that_begin_with_the_phrase_make_a_status_column() {
    let page = "\
# Errors

The API uses the following error codes:

Error Code | Meaning
---------- | -------
400 | Bad Request -- It is wrong.
418 | I'm a teapot.
";
    let expected = [
        entry("400", A, None, "Bad Request -- It is wrong."),
        entry("418", A, Some("I'm a teapot."), "I'm a teapot."),
    ];
    assert_eq!(read("errors.md", page), expected);
}

#[test]
fn many_unlike_codes_need_no_other_proof() {
    let rows = |codes: &[u16]| codes.iter().map(|code| format!("| {code} | 说明。 |\n")).collect::<String>();
    let page = |codes| format!("| Code | Desc |\n|---|---|\n{}", rows(codes));
    assert_eq!(read("a.md", &page(&[200, 201, 204, 304, 400, 401, 404, 500])).len(), 8);
    assert_eq!(read("a.md", &page(&[401, 402, 500])).len(), 0);
    assert_eq!(read("a.md", &page(&[100, 200, 300, 400, 500])).len(), 0);
    assert_eq!(read("a.md", &page(&[213, 355, 404, 501, 504, 244, 376])).len(), 0);
}

#[test]
fn statuses_of_other_things_give_nothing() {
    for (heading, header) in [("Job status", "Value"), ("任务返回码", "编号"), ("HTTP headers", "Size limit")]
    {
        let page =
            format!("# {heading}\n\n| Name | {header} |\n|---|---|\n| a | 100 |\n| b | 200 |\n| c | 500 |\n");
        assert_eq!(read("page.md", &page), [], "{heading}");
    }
    let page =
        "# Quotas\n\nSee https://example.com/.\n\n| Name | Most |\n|---|---|\n| a | 100 |\n| b | 200 |\n";
    assert_eq!(read("page.md", page), []);
}

#[test]
fn cells_of_rst_with_nothing_or_code() {
    let page = "\
Status codes
============

==== =========== ==============
Code Type        Description
==== =========== ==============
400  Bad Request Wrong [1]_.
\\    \\           Wrong again.
500  \\           Oops.
==== =========== ==============

.. list-table::

   * - Code
     - Meaning
   * - 501
     - .. code-block:: none

          oops
";
    let expected = [
        entry("400", A, Some("Bad Request"), "Wrong [1].\nWrong again."),
        entry("500", A, None, "Oops."),
        entry("501", A, None, "oops"),
    ];
    assert_eq!(read("codes.rst", page), expected);
}

#[test]
fn inline_markup_of_rst_is_read_as_docutils_reads_it() {
    let cases = [
        (r#"A "*" or (*) or {*}, but **b**."#, r#"A "*" or (*) or {*}, but b."#),
        ("中文**粗**中文 and 中文 **粗** 中文", "中文**粗**中文 and 中文 粗 中文"),
        (r"2\ *xx* and **kwargs or *.log", "2xx and **kwargs or *.log"),
        ("``f``/``g`` but =``b``", "f/g but =``b``"),
        (r"\``h`` and `b c`:sup: and _`t u` and :ref:`x <y>`", "``h`` and b c and t u and x"),
        (r"*a\\* then 5 * 3 and a*b*c", r"a\ then 5 * 3 and a*b*c"),
        ("“**z**” and （*u*）", "“z” and （u）"),
        ("Like this::", "Like this:"),
    ];
    for (source, shown) in cases {
        let page = format!(
            "Status codes\n============\n\n.. list-table::\n\n   * - Code\n     - Text\n   * - 404\n     - {source}\n"
        );
        assert_eq!(read("codes.rst", &page), [entry("404", A, None, shown)], "{source}");
    }
}

#[test]
fn titles_of_directives_announce_a_class() {
    let table = "\n\n==== ====\nCode Text\n==== ====\n300  Many\n400  Bad\n==== ====\n\n";
    let page = format!("Status codes\n============\n\n.. rubric:: Abnormal{table}");
    assert_eq!(read("codes.rst", &page), [entry("300", A, None, "Many"), entry("400", A, None, "Bad")]);
}

#[test]
fn the_report_names_lines_of_descriptions_and_every_column() {
    let page = "\
# Error Code List

<table>
<tr><th>Error Code</th><th>Description</th><th>HTTP Status Code</th><th>Solution</th></tr>
<tr><td>Bad Request</td>
<td>The syntax is wrong.</td>
<td>400 Bad Request</td>
<td>Correct it.</td></tr>
</table>
";
    let import = import("codes.md", page);
    let text = import.report().to_string();
    assert_eq!(import.report().entries[0].lines, [6], "{text}");
    assert!(text.contains("reason phrase: beside the code, on 1 row\n"), "{text}");
    let left_out = "left out: column 1 “Error Code” (phrases, which stand beside the codes, too), \
                    column 4 “Solution” (what to do about it)";
    assert!(text.contains(left_out), "{text}");
}
