//! Rules, actions and what a target is told.

use serde_json::json;

use crate::client::{get, get_with, send};
use crate::stage::{Stage, fixed, forward, run};
use crate::target::Target;

#[test]
fn a_request_reaches_the_target_of_its_rule() {
    run(async {
        let (stage, one, two) = (Stage::new().await, Target::start("one").await, Target::start("two").await);
        let balancer = stage.balancer("rules").await;
        let (first, second) = (stage.group("first").await, stage.group("second").await);
        stage.register(&first, &one.at).await;
        stage.register(&second, &two.at).await;
        let listener = stage.listener(&balancer, 80, forward(&first)).await;
        let path = json!([{"Field": "path-pattern", "Values": ["/two/*"]}]);
        stage.rule(&listener, 10, path, json!([forward(&second)])).await;
        let host = json!([{"Field": "host-header", "Values": ["fixed.example.com"]}]);
        stage.rule(&listener, 20, host, json!([fixed("404", "nothing here")])).await;
        let at = stage.served("rules", 80).await;
        stage.until(&first, "healthy").await;
        stage.until(&second, "healthy").await;
        assert_eq!(get(at, "www.example.com", "/").await.target(), "one");
        let answer = get(at, "www.example.com", "/two/a?b=c").await;
        assert_eq!((answer.target().as_str(), answer.rule()), ("two", "10"));
        assert_eq!(answer.said()["path"], "/two/a?b=c");
        let answer = get(at, "fixed.example.com", "/").await;
        assert_eq!((answer.status, answer.text(), answer.rule()), (404, "nothing here", "20"));
        assert_eq!(answer.header("server"), "awselb/2.0");
        // A change is served without anybody's doing.
        stage
            .rule(&listener, 5, json!([{"Field": "path-pattern", "Values": ["/two/*"]}]), json!([fixed("410", "gone")]))
            .await;
        stage.served("rules", 80).await;
        assert_eq!(get(at, "www.example.com", "/two/a").await.status, 410);
    });
}

#[test]
fn redirects_say_where() {
    run(async {
        let stage = Stage::new().await;
        let balancer = stage.balancer("redirects").await;
        let to_https = json!({"Type": "redirect", "RedirectConfig": {"Protocol": "HTTPS", "Port": "443", "StatusCode": "HTTP_301"}});
        let listener = stage.listener(&balancer, 80, to_https).await;
        let old = json!([{"Field": "path-pattern", "Values": ["/old/*"]}]);
        let to_new = json!([{"Type": "redirect", "RedirectConfig": {
            "Host": "new.example.com", "Path": "/#{path}", "Query": "from=#{host}", "StatusCode": "HTTP_302"}}]);
        stage.rule(&listener, 1, old, to_new).await;
        let at = stage.served("redirects", 80).await;
        let answer = get(at, "www.example.com", "/a?b=c").await;
        assert_eq!((answer.status, answer.header("location")), (301, "https://www.example.com:443/a?b=c"));
        let answer = get(at, "www.example.com", "/old/a").await;
        let location = "http://new.example.com:80/old/a?from=www.example.com";
        assert_eq!((answer.status, answer.header("location")), (302, location));
    });
}

#[test]
fn weights_share_requests_and_a_group_without_targets_answers_503() {
    run(async {
        let (stage, one, two) = (Stage::new().await, Target::start("one").await, Target::start("two").await);
        let balancer = stage.balancer("weights").await;
        let (first, second) = (stage.group("first").await, stage.group("second").await);
        let (empty, idle) = (stage.group("empty").await, stage.group("idle").await);
        stage.register(&first, &one.at).await;
        stage.register(&second, &two.at).await;
        let weighted = |groups: &[(&str, u32)]| {
            let tuples: Vec<_> =
                groups.iter().map(|(arn, weight)| json!({"TargetGroupArn": arn, "Weight": weight})).collect();
            json!({"Type": "forward", "ForwardConfig": {"TargetGroups": tuples}})
        };
        let listener = stage.listener(&balancer, 80, weighted(&[(&first, 3), (&second, 1), (&idle, 0)])).await;
        let path = json!([{"Field": "path-pattern", "Values": ["/half"]}]);
        stage.rule(&listener, 1, path, json!([weighted(&[(&first, 1), (&empty, 1)])])).await;
        let at = stage.served("weights", 80).await;
        stage.until(&first, "healthy").await;
        stage.until(&second, "healthy").await;
        let mut by_first = 0;
        for _ in 0..200 {
            by_first += u32::from(get(at, "www.example.com", "/").await.target() == "one");
        }
        assert!((120..180).contains(&by_first), "{by_first} of 200 are not three quarters");
        // The load balancer does not fail over to another group.
        let mut unavailable = 0;
        for _ in 0..100 {
            let answer = get(at, "www.example.com", "/half").await;
            assert!(matches!(answer.status, 200 | 503), "{answer:?}");
            unavailable += u32::from(answer.status == 503);
        }
        assert!((25..75).contains(&unavailable), "{unavailable} of 100 are not a half");
    });
}

#[test]
fn targets_are_told_of_the_client() {
    run(async {
        let (stage, target) = (Stage::new().await, Target::start("one").await);
        let balancer = stage.balancer("headers").await;
        let group = stage.group("headers").await;
        stage.register(&group, &target.at).await;
        stage.listener(&balancer, 80, forward(&group)).await;
        stage.listener(&balancer, 8080, forward(&group)).await;
        let at = stage.served("headers", 80).await;
        let other = stage.served("headers", 8080).await;
        stage.until(&group, "healthy").await;
        let answer = get(at, "www.example.com:80", "/").await;
        assert_eq!(answer.received("x-forwarded-for").as_deref(), Some("127.0.0.1"));
        assert_eq!(answer.received("x-forwarded-proto").as_deref(), Some("http"));
        assert_eq!(answer.received("x-forwarded-port").as_deref(), Some("80"));
        assert!(answer.received("x-amzn-trace-id").unwrap().starts_with("Root=1-"));
        // A default port is taken off, another one put on.
        assert_eq!(answer.received("host").as_deref(), Some("www.example.com"));
        let answer = get(other, "www.example.com", "/").await;
        assert_eq!(answer.received("host").as_deref(), Some("www.example.com:8080"));
        let came = [
            ("x-forwarded-for", "203.0.113.7"),
            ("x-forwarded-proto", "gopher"),
            ("connection", "x-mine"),
            ("x-mine", "1"),
            ("x-other", "2"),
            ("x_odd", "3"),
        ];
        let answer = get_with(at, "www.example.com", "/", &came).await;
        assert_eq!(answer.received("x-forwarded-for").as_deref(), Some("203.0.113.7, 127.0.0.1"));
        assert_eq!(answer.received("x-forwarded-proto").as_deref(), Some("http"));
        assert_eq!(answer.received("x-mine"), None, "it belongs to the connection");
        assert_eq!(answer.received("x-other").as_deref(), Some("2"));
        assert_eq!(answer.received("x_odd").as_deref(), Some("3"));
        let addresses = vec!["203.0.113.7"; 31].join(", ");
        assert_eq!(get_with(at, "www.example.com", "/", &[("x-forwarded-for", &addresses)]).await.status, 463);
        for (key, value) in [
            ("routing.http.xff_header_processing.mode", "preserve"),
            ("routing.http.drop_invalid_header_fields.enabled", "true"),
            ("routing.http.preserve_host_header.enabled", "true"),
        ] {
            stage.balancer_attribute(&balancer, key, value).await;
        }
        stage.served("headers", 80).await;
        let answer = get_with(at, "www.example.com:80", "/", &came).await;
        assert_eq!(answer.received("x-forwarded-for").as_deref(), Some("203.0.113.7"));
        assert_eq!(answer.received("host").as_deref(), Some("www.example.com:80"));
        assert_eq!(answer.received("x_odd"), None);
        stage.balancer_attribute(&balancer, "routing.http.xff_header_processing.mode", "remove").await;
        stage.served("headers", 80).await;
        assert_eq!(get_with(at, "www.example.com", "/", &came).await.received("x-forwarded-for"), None);
    });
}

#[test]
fn transforms_rewrite_what_the_target_sees() {
    run(async {
        let (stage, target) = (Stage::new().await, Target::start("one").await);
        let balancer = stage.balancer("transforms").await;
        let group = stage.group("transforms").await;
        stage.register(&group, &target.at).await;
        let listener = stage.listener(&balancer, 80, fixed("404", "no rule")).await;
        let rewrites = |regex: &str, replace: &str| json!({"Rewrites": [{"Regex": regex, "Replace": replace}]});
        stage
            .call("CreateRule", json!({
                "ListenerArn": listener, "Priority": 1, "Actions": [forward(&group)],
                "Conditions": [{"Field": "path-pattern", "Values": ["/dp/*"]}],
                "Transforms": [
                    {"Type": "url-rewrite", "UrlRewriteConfig": rewrites("^/dp/([A-Za-z0-9]+)/?$", "/product.php?id=$1")},
                    {"Type": "host-header-rewrite", "HostHeaderRewriteConfig": rewrites("^mywebsite-(.+).com$", "internal.dev.$1.myweb.com")},
                ],
            }))
            .await;
        let at = stage.served("transforms", 80).await;
        stage.until(&group, "healthy").await;
        let answer = get(at, "mywebsite-example.com", "/dp/B09G3HRMW").await;
        assert_eq!(answer.said()["path"], "/product.php?id=B09G3HRMW");
        assert_eq!(answer.received("host").as_deref(), Some("internal.dev.example.myweb.com"));
        let answer = get(at, "www.example.com", "/dp/a/b").await;
        assert_eq!(answer.said()["path"], "/dp/a/b", "no match, no change");
    });
}

#[test]
fn methods_and_bodies_pass() {
    run(async {
        let (stage, target) = (Stage::new().await, Target::start("one").await);
        let balancer = stage.balancer("methods").await;
        let group = stage.group("methods").await;
        stage.register(&group, &target.at).await;
        stage.listener(&balancer, 80, forward(&group)).await;
        let at = stage.served("methods", 80).await;
        stage.until(&group, "healthy").await;
        for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PURGE"] {
            let answer = send(at, "www.example.com", method.parse().unwrap(), "/", &[], "0123456789").await;
            assert_eq!(
                (answer.said()["method"].as_str(), answer.said()["received"].as_u64()),
                (Some(method), Some(10))
            );
        }
        assert_eq!(send(at, "www.example.com", hyper::Method::TRACE, "/", &[], "").await.status, 405);
    });
}

#[test]
fn a_listener_changes_headers_of_answers() {
    run(async {
        let (stage, target) = (Stage::new().await, Target::start("one").await);
        let balancer = stage.balancer("modified").await;
        let group = stage.group("modified").await;
        stage.register(&group, &target.at).await;
        let listener = stage.listener(&balancer, 80, forward(&group)).await;
        let path = json!([{"Field": "path-pattern", "Values": ["/fixed"]}]);
        stage.rule(&listener, 1, path, json!([fixed("200", "fixed")])).await;
        let set = [
            ("routing.http.response.server.enabled", "false"),
            ("routing.http.response.x_frame_options.header_value", "DENY"),
            ("routing.http.response.access_control_allow_origin.header_value", "https://www.example.com"),
        ];
        let attributes: Vec<_> = set.iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect();
        stage.call("ModifyListenerAttributes", json!({"ListenerArn": listener, "Attributes": attributes})).await;
        let at = stage.served("modified", 80).await;
        stage.until(&group, "healthy").await;
        for path in ["/", "/fixed"] {
            let answer = get(at, "www.example.com", path).await;
            assert_eq!(answer.header("x-frame-options"), "DENY", "{path}");
            assert_eq!(answer.header("access-control-allow-origin"), "https://www.example.com", "{path}");
            assert_eq!(answer.header("server"), "", "{path}");
        }
    });
}
