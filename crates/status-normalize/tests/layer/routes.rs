//! Routes within one layer, and combinations that make no sense.

use http::{HeaderName, Method, header};
use status_normalize::{BuildError, InspectLimit, Mode, Rollout, RoutePattern};

use crate::support::*;

fn path(path: &str) -> RoutePattern {
    RoutePattern { path: Some(path.into()), ..RoutePattern::default() }
}

#[tokio::test]
async fn the_catalog_of_the_route_decides() {
    // T33
    let dns = RoutePattern { host: Some("dns.example".into()), ..RoutePattern::default() };
    let layer = built(
        settings()
            .route(dns, |route| route.name("dns").catalog(catalog("dns")))
            .route(path("/raw/{*rest}"), |route| route.name("raw").mode(Mode::Off)),
    );
    let (recorded, _installed) = recording();
    let ask = async |uri: &str| {
        let mut asked = request(Method::GET, &[]);
        *asked.uri_mut() = uri.parse().unwrap();
        answer(&layer, asked, html(502)).await
    };
    ask("http://dns.example/raw/1")
        .await
        .assert_described("The request fails because the returned response is invalid.");
    ask("http://other.example/").await.assert_described(BAD_GATEWAY);
    assert_eq!(ask("http://other.example/raw/1").await.text(), HTML);
    for (route, catalog) in [("dns", "dns"), ("default", "sfs"), ("raw", "sfs")] {
        assert_eq!(recorded.sum(RESPONSES, &[("route", route), ("catalog", catalog)]), 1.0, "{route}");
    }
}

#[test]
fn settings_made_before_a_route_are_its_start() {
    let layer =
        settings().mode(Mode::Observe).route(path("/a"), |route| route.rollout(50.try_into().unwrap()));
    assert!(matches!(layer.build(), Err(BuildError::Rollout { percent: 50, mode: "observe" })));
}

#[test]
fn contradictions_are_errors_when_built() {
    let etag = || header::ETAG;
    let cases = [
        (settings().name(""), "the name of a route is empty"),
        (settings().inspect_timeout(std::time::Duration::ZERO), "timeout is zero"),
        (settings().mode(Mode::Off).rollout(Rollout::try_from(3).unwrap()), "3 % needs mode `enforce`"),
        (settings().code("a b"), "\"a b\""),
        (settings().code(""), "\"\""),
        (settings().keep_header(etag()).drop_header(etag()), "`etag` is both"),
        (settings().keep_header(header::CONTENT_LENGTH), "`content-length` frames"),
        (settings().drop_header(header::CONTENT_TYPE), "`content-type` frames"),
        (settings().opt_out(header::TRANSFER_ENCODING), "`transfer-encoding` frames"),
        (settings().route(path("/{"), |route| route.name("x")), "`/{`"),
        (
            settings().route(path("/a"), |route| route.name("x")).route(path("/a"), |route| route.name("y")),
            "`/a`",
        ),
        (settings().route(path("/a"), |route| route), "two routes have the name `default`"),
        (
            settings().route(path("/a"), |route| route.name("x")).route(path("/b"), |route| route.name("x")),
            "two routes have the name `x`",
        ),
        (settings().route(path("/a"), |route| route.name("x").route(path("/b"), |inner| inner)), "route `x`"),
        (
            settings().route(path("/a"), |route| route.opt_out(HeaderName::from_static("trailer"))),
            "`trailer`",
        ),
    ];
    for (settings, message) in cases {
        let error = settings.build().unwrap_err().to_string();
        assert!(error.contains(message), "{error} / {message}");
    }
}

#[test]
fn limits_cannot_hold_a_bad_value() {
    for bytes in [0, 16 * 1024 * 1024 + 1, u64::MAX] {
        assert!(InspectLimit::try_from(bytes).is_err(), "{bytes}");
    }
    assert_eq!(InspectLimit::default().bytes(), 65_536);
    assert_eq!(InspectLimit::try_from(1).unwrap().bytes(), 1);
    assert!(Rollout::try_from(101).is_err());
    let error = Rollout::try_from(101).unwrap_err().to_string();
    assert_eq!(error, "rollout percentage 101 is not in 0-100");
}
