//! What each format can do, on small pages: tables, spans, context, cells, and errors with their place.

mod common;

use common::{A, N, entry, read};
use status_catalog::{Class, Format, Importer, ParseError};

fn descriptions(file: &str, page: &str) -> Vec<String> {
    read(file, page).into_iter().map(|(code, _, _, description)| format!("{code} {description}")).collect()
}

fn error(file: &str, page: &str) -> ParseError {
    Importer::new().import_text(file, page).expect_err(page)
}

#[test]
fn rst_grid_with_spans_paragraphs_and_bullets() {
    let page = "\
Status Codes
============

+---------+-------------+----------------------------+
| Code    | Type        | Possible Cause             |
+=========+=============+============================+
| 200     | OK          | It worked.                 |
+---------+-------------+----------------------------+
| 400     | Bad Request | The **body** is            |
|         |             | :ref:`wrong <body>`.       |
|         |             |                            |
|         |             | Try again.                 |
|         |             +----------------------------+
|         |             | -  Or *do* not.            |
|         |             | -  ``a|b`` is 2\\ *x*.      |
+---------+-------------+----------------------------+
| 500-511 | Server      | 名前 is wide.              |
+---------+-------------+----------------------------+
";
    assert_eq!(
        read("page.rst", page),
        [
            entry("200", N, Some("OK"), "It worked."),
            entry("400", A, Some("Bad Request"), "The body is wrong.\nTry again.\nOr do not.\na|b is 2x."),
            entry("500-511", A, Some("Server"), "名前 is wide."),
        ]
    );
}

#[test]
fn rst_simple_table_with_continued_and_joined_cells() {
    let page = "\
Codes
=====

-  Abnormal

   .. table:: **Table 1** Return codes

      ============ ============ ======
      Status Code  Description  Remark
      ============ ============ ======
      300          Several      x
                   choices.
      404          Not here, or anywhere
      ------------ -------------------
      ============ ============ ======
";
    assert_eq!(descriptions("page.rst", page), ["300 Several choices.", "404 Not here, or anywhere"]);
    assert_eq!(read("page.rst", page)[0].1, A);
}

#[test]
fn rst_list_table_and_csv_table() {
    let list = "\
Codes
=====

.. list-table:: Errors
   :header-rows: 1

   * - Status Code
     - Description
   * - 404
     - | Not here,
       | nor there.

       Again.
   * - 409
     - - one
       - two
";
    assert_eq!(descriptions("page.rst", list), ["404 Not here, nor there.\nAgain.", "409 one\ntwo"]);
    let csv = "\
Codes
=====

.. csv-table:: Errors
   :header: \"Status Code\", \"Description\"

   404, \"Not \"\"here\"\", nor
   there.\"
   500, Broken
";
    assert_eq!(descriptions("page.rst", csv), ["404 Not \"here\", nor there.", "500 Broken"]);
}

#[test]
fn a_csv_table_of_another_file_is_left_out_visibly() {
    let page = "Codes\n=====\n\n.. csv-table::\n   :file: codes.csv\n";
    let import = Importer::new().import_text("page.rst", page).expect(page);
    assert!(import.is_empty());
    let [left_out, ..] = &*import.report().left_out else { panic!("a remark") };
    assert_eq!(left_out.line, 4);
    assert!(left_out.text.contains("codes.csv"), "{}", left_out.text);
}

#[test]
fn markdown_tables_of_every_kind() {
    let page = "\
# 状态码

-   正常

    |返回值|说明|
    |--|--|
    |200 OK|好。|

-   异常
|返回值|说明|
|--|--|
| | |
|400/404/409|坏。<br>再试。|
|NA|-|

Status Code | Meaning
--- | ---
5XX | Our \\| fault

{class=\"compact\"}
";
    assert_eq!(
        read("page.md", page),
        [
            entry("200", N, Some("OK"), "好。"),
            entry("400", A, None, "坏。\n再试。"),
            entry("404", A, None, "坏。\n再试。"),
            entry("409", A, None, "坏。\n再试。"),
            entry("5XX", A, None, "Our | fault"),
        ]
    );
}

#[test]
fn html_tables_in_markdown_go_on_after_blank_lines_and_in_what_looks_like_code() {
    let page = "\
# Codes

- Normal

      <a name=\"t\"></a><table><tr><td>Status Code</td><td>Description</td></tr>

      <tr><td><p>200</p></td><td>fine &amp; <b>good</b></td></tr>
      </table>

- Abnormal

      <table><tr><td>Status Code</td><td>Type</td><td>Description</td></tr>
      <tr><td rowspan=\"2\">400</td><td rowspan=\"2\">BadRequest</td><td><ul><li>one</li><li>two</li></ul></td></tr>
      <tr><td>three</td></tr>
      <tr><td>401Unauthorized</td><td colspan=\"2\">four</td></tr>
      </table>
";
    assert_eq!(
        read("page.md", page),
        [
            entry("200", N, None, "fine & good"),
            entry("400", A, Some("BadRequest"), "one\ntwo\nthree"),
            entry("401", A, Some("Unauthorized"), "four"),
        ]
    );
}

#[test]
fn a_table_within_a_layout_table_is_read() {
    let page = "<h1>Codes</h1><table><tr><td>Menu</td><td><table><tr><th>Status Code</th><th>Text</th></tr>\
        <tr><td>404</td><td>here</td></tr></table></td></tr></table>";
    assert_eq!(descriptions("page.html", page), ["404 here"]);
}

#[test]
fn a_layout_table_hides_no_context() {
    let page = "\
<nav><ul><li>Normal</li></ul></nav>
<table><tr><td>Menu</td><td><h1>Status Codes</h1><ul>
<li>Normal <table><tr><th>Returned Value</th><th>Description</th></tr><tr><td>200 OK</td><td>Good.</td></tr></table></li>
<li>Abnormal <table><tr><th>Returned Value</th><th>Description</th></tr><tr><td>300</td><td>Many.</td></tr></table></li>
</ul></td></tr></table>
";
    let import = Importer::new().import_text("page.html", page).expect(page);
    assert_eq!(import.catalog().map(status_catalog::Catalog::title), Some("Status Codes"));
    let rules: Vec<&str> = import.report().entries.iter().map(|entry| &*entry.rule).collect();
    assert_eq!(rules, ["list item “Normal” (line 3)", "list item “Abnormal” (line 4)"]);
}

#[test]
fn between_blank_lines_cells_of_html_tables_hold_markdown() {
    let page = "\
# Return codes

<table>
<tr><th>Return code</th><th>Description</th></tr>
<tr>
<td>

200

</td>
<td>

All **good** `a*b`.

Second [one](x).

</td>
</tr>
<tr><td>404</td><td>Not *here*.<br>Look.</td></tr>
</table>
";
    assert_eq!(descriptions("codes.md", page), ["200 All good a*b.\nSecond one.", "404 Not *here*.\nLook."]);
}

#[test]
fn tables_in_comments_are_no_tables() {
    let page = "\
# Codes

<!--
<table><tr><td>Status Code</td><td>Old</td></tr><tr><td>400</td><td>gone</td></tr>
-->

<div>
<!-- <table><tr><td>401</td> --> <table><tr><td>Status Code</td><td>Text</td></tr><tr><td>404</td><td>here</td></tr></table>
</div>
";
    assert_eq!(descriptions("page.md", page), ["404 here"]);
}

#[test]
fn formats_are_told_by_extension_or_text() {
    let cases = [
        ("a.md", "", Format::Markdown),
        ("a.RST", "", Format::Rst),
        ("a.htm", "", Format::Html),
        ("a.yml", "", Format::OpenApi),
        ("a.toml", "", Format::Toml),
        ("a.txt", "# T\n\n|a|b|\n|--|--|\n", Format::Markdown),
        ("a.txt", "T\n=\n\n<table></table>\n", Format::Markdown),
        ("a.txt", "T\n=\n\n=== ===\na   b\n=== ===\n", Format::Rst),
        ("a.txt", ":original_name: a.html\n", Format::Rst),
        ("a", "<!DOCTYPE html>", Format::Html),
        ("a", "# ours\n---\nopenapi: 3.0.0\n", Format::OpenApi),
        ("a", "{\"swagger\": \"2.0\"}", Format::OpenApi),
    ];
    for (file, text, format) in cases {
        assert_eq!(Format::detect(file.as_ref(), text), format, "{file} {text}");
    }
}

#[test]
fn html_pages_without_end_tags() {
    let page = "<!DOCTYPE html><title>x</title><nav><ul><li>Normal</ul></nav><h1>Codes</h1>
<h2>Success</h2><table><caption>Good</caption><tr><th>Code<th>Text<tr><td>200<td>OK<tr><td>201<td>Created</table>
<h2>Errors</h2><table><tr><th>HTTP Code<th>Details<tr><td>300<td>Choose</table>";
    assert_eq!(Format::detect("page".as_ref(), page), Format::Html);
    assert_eq!(
        read("page.html", page),
        [
            entry("200", N, Some("OK"), "OK"),
            entry("201", N, Some("Created"), "Created"),
            entry("300", A, None, "Choose"),
        ]
    );
}

#[test]
fn the_status_column_is_found_by_its_content() {
    let page = "\
# Errors

| Module | Returned Value | Code | Error Code | Description | Description. | Solution |
|---|---|---|---|---|---|---|
| Common | EIP.1 | 404 | X.1 | Not Found | It is not here. | Look elsewhere. |
| Common | EIP.2 | 409 | X.2 | Conflict | It is in use. | Wait. |
";
    assert_eq!(
        read("page.md", page),
        [
            entry("404", A, Some("Not Found"), "It is not here."),
            entry("409", A, Some("Conflict"), "It is in use."),
        ]
    );
}

#[test]
fn columns_that_are_not_read_are_named() {
    let page = "\
# Errors

| Status Code | Error Code | Description | Solution |
|---|---|---|---|
| 404 | X.1 | It is not here. | Look elsewhere. |
";
    let import = Importer::new().import_text("page.md", page).expect(page);
    let report = import.report().to_string();
    let line =
        "left out: column 2 “Error Code” (codes of the service), column 4 “Solution” (what to do about it)";
    assert!(report.contains(line), "{report}");
}

#[test]
fn of_two_descriptions_the_first_one_with_sentences_counts() {
    let page = "\
# Errors

| Response Code | Error Code | Description | Error Message | Description. |
|---|---|---|---|---|
| 400 | cts.0001 | The version is empty. | Empty version. | The version in the URL is empty. Specify it. |
| 404 | cts.0012 | The tracker does not exist. | No tracker. | The tracker does not exist. Check its name. |
";
    assert_eq!(
        descriptions("page.md", page),
        ["400 The version is empty.", "404 The tracker does not exist."]
    );
    let page = "\
# 状态码

|状态码|描述|说明|
|--|--|--|
|400|错误请求|服务器未能处理请求。|
|403|没有权限|没有权限访问资源。|
";
    assert_eq!(descriptions("page.md", page), ["400 服务器未能处理请求。", "403 没有权限访问资源。"]);
}

#[test]
fn numbers_that_are_no_statuses_give_nothing() {
    let telephone = "# 国家码和地区码\n\n|国家|国家码|\n|--|--|\n|Belize|501|\n|Algeria|213|\n|Haiti|509|\n|Albania|355|\n";
    let jobs = "# 错误码\n\n|错误码ID|错误码名称|含义|\n|--|--|--|\n|401|ERROR_PARAM_MISSING|参数缺失|\n|500|ERROR_RUNTIME|运行异常|\n";
    let services =
        "# Error codes\n\n| Error code | Description |\n|---|---|\n| 10000001 | bad |\n| 500409 | worse |\n";
    let headers = "# Response headers\n\n| Header | Description |\n|---|---|\n| Content-Length | 200 |\n";
    for page in [telephone, jobs, services, headers] {
        let import = Importer::new().import_text("page.md", page).expect(page);
        assert!(import.is_empty(), "{page}");
        assert!(import.report().to_string().contains("left out"), "{page}");
    }
}

#[test]
fn a_class_that_contradicts_its_number_is_kept_and_warned_about() {
    let page = "\
# Codes

## Normal

| Status Code | Description |
|---|---|
| 200 | a |
| 201 | b |
| 202 | c |
| 500 | d |
";
    let import = Importer::new().import_text("page.md", page).expect(page);
    assert_eq!(
        import.catalog().and_then(|catalog| catalog.documented(500)).map(|found| found.class),
        Some(N)
    );
    let [warning] = &*import.report().warnings else { panic!("one warning") };
    assert_eq!(warning.line, 10);
    assert_eq!(
        warning.text,
        "500 is listed as normal by section “Normal” (line 3), but its number says abnormal"
    );
}

#[test]
fn a_title_over_codes_of_both_kinds_is_no_class() {
    let page = "# Error status codes\n\n| Status Code | Description |\n|---|---|\n| 200 | a |\n| 404 | b |\n";
    assert_eq!(read("page.md", page), [entry("200", N, None, "a"), entry("404", A, None, "b")]);
    let import = Importer::new().import_text("page.md", page).expect(page);
    let [warning] = &*import.report().warnings else { panic!("one warning") };
    assert_eq!(
        (warning.line, &*warning.text),
        (
            3,
            "title “Error status codes” (line 1) says abnormal, but 1 of 2 codes do not fit: it does not count"
        )
    );
}

#[test]
fn a_list_item_that_mentions_errors_is_no_class_of_a_table_of_all_codes() {
    let page = "\
# Status codes

- Responses to failed requests have a body

| Status Code | Description |
|---|---|
| 200 | a |
| 201 | b |
| 400 | c |
| 401 | d |
| 403 | e |
| 404 | f |
| 500 | g |
";
    let classes: Vec<Class> = read("page.md", page).into_iter().map(|(_, class, ..)| class).collect();
    assert_eq!(classes, [N, N, A, A, A, A, A]);
}

#[test]
fn malformed_documents_name_line_and_column() {
    let cases = [
        ("cut.rst", "T\n=\n\n+-----+---+\n| 200 | x |\n", (5, 1), "grid table ends without a border"),
        (
            "wide.rst",
            "T\n=\n\n+-----+---+\n| 200 | x  |\n+-----+---+\n",
            (5, 12),
            "grid table is 11 columns wide, this line is 12",
        ),
        ("open.rst", "T\n=\n\n=== ===\n200 x\n", (4, 1), "simple table has no border"),
        ("gap.rst", "T\n=\n\n===  ===\n2000 x\n===  ===\n", (5, 4), "text in the gap"),
        (
            "list.rst",
            "T\n=\n\n.. list-table::\n\n   * - 200\n     - x\n   oops\n",
            (8, 4),
            "nothing but a list of lists",
        ),
        ("csv.rst", "T\n=\n\n.. csv-table::\n\n   200, \"x\n", (6, 9), "quoted value is not closed"),
        ("open.md", "# T\n\n<table><tr><td>200</td><td>x</td></tr>\n", (3, 1), "table is not closed"),
        ("bad.json", "{\"openapi\": \"3.0.0\",\n \"paths\": {,}}", (2, 12), "not JSON"),
        ("bad.yaml", "openapi: 3.0.0\npaths: {/a: [1\n", (3, 1), "not YAML"),
        (
            "bad.toml",
            "name = \"x\"\ntitle = \"t\"\nlanguages = [\"en\"]\ncolour = 1\n",
            (4, 1),
            "unknown field `colour`",
        ),
        (
            "code.toml",
            "name = \"x\"\ntitle = \"t\"\nlanguages = [\"en\"]\n[[entries]]\ncode = \"4YX\"\nclass = \"normal\"\ndescription = \"\"\n",
            (5, 8),
            "is no code",
        ),
    ];
    for (file, text, place, message) in cases {
        let error = error(file, text);
        assert_eq!((error.line(), error.column()), place, "{file}: {error}");
        assert!(error.message().contains(message), "{file}: {error}");
        assert!(error.to_string().starts_with(&format!("{file}:{}:{}: ", place.0, place.1)));
        let picture = error.picture(false);
        assert!(picture.contains(file) && picture.contains('^'), "{picture}");
    }
}
