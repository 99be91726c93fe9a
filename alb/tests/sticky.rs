//! Stickiness by cookies.

use serde_json::json;

use crate::client::{Answer, get, get_with};
use crate::stage::{Stage, forward, run};
use crate::target::Target;

async fn with_cookies(at: std::net::SocketAddr, path: &str, cookies: &[String]) -> Answer {
    get_with(at, "a", path, &[("cookie", &cookies.join("; "))]).await
}

#[test]
fn a_cookie_keeps_a_client_at_its_target() {
    run(async {
        let (stage, one, two) = (Stage::new().await, Target::start("one").await, Target::start("two").await);
        let balancer = stage.balancer("sticky").await;
        let group = stage.group("sticky").await;
        let attributes = [
            ("stickiness.enabled", "true"),
            ("stickiness.type", "lb_cookie"),
            ("stickiness.lb_cookie.duration_seconds", "600"),
        ];
        stage.group_attributes(&group, &attributes).await;
        stage.register(&group, &one.at).await;
        stage.register(&group, &two.at).await;
        stage.listener(&balancer, 80, forward(&group)).await;
        let at = stage.served("sticky", 80).await;
        stage.until(&group, "healthy").await;
        let first = get(at, "a", "/").await;
        let cookies = first.cookies();
        let names: Vec<&str> = cookies.iter().map(|cookie| cookie.split('=').next().unwrap()).collect();
        assert_eq!(names, ["AWSALB", "AWSALBCORS"]);
        let cors = first.headers.get_all("set-cookie").iter().nth(1).unwrap().to_str().unwrap();
        assert!(cors.ends_with("; Path=/; SameSite=None; Secure") && cors.contains("; Expires="), "{cors}");
        for _ in 0..6 {
            assert_eq!(with_cookies(at, "/", &cookies).await.target(), first.target());
        }
        // Its target goes: another one, and another cookie.
        let gone = if first.target() == "one" { one } else { two };
        stage.deregister(&group, &gone.at).await;
        stage.served("sticky", 80).await;
        let moved = with_cookies(at, "/", &cookies).await;
        assert_ne!(moved.target(), first.target());
        assert_ne!(moved.cookies(), cookies);
    });
}

#[test]
fn the_applications_cookie_keeps_a_client_too() {
    run(async {
        let (stage, one, two) = (Stage::new().await, Target::start("one").await, Target::start("two").await);
        let balancer = stage.balancer("app-cookie").await;
        let group = stage.group("app-cookie").await;
        let attributes = [
            ("stickiness.enabled", "true"),
            ("stickiness.type", "app_cookie"),
            ("stickiness.app_cookie.cookie_name", "SESSION"),
        ];
        stage.group_attributes(&group, &attributes).await;
        stage.register(&group, &one.at).await;
        stage.register(&group, &two.at).await;
        stage.listener(&balancer, 80, forward(&group)).await;
        let at = stage.served("app-cookie", 80).await;
        stage.until(&group, "healthy").await;
        assert_eq!(get(at, "a", "/").await.cookies(), [""; 0], "the application has not set its cookie");
        let first = get(at, "a", "/session").await;
        let cookies = first.cookies();
        assert!(cookies.iter().any(|cookie| cookie.starts_with("AWSALBAPP-0=")), "{cookies:?}");
        for _ in 0..6 {
            assert_eq!(with_cookies(at, "/", &cookies).await.status, 200);
        }
        let said: Vec<String> = {
            let mut said = Vec::new();
            for _ in 0..4 {
                said.push(with_cookies(at, "/", &cookies).await.target());
            }
            said
        };
        assert_eq!(said.iter().filter(|one| **one != said[0]).count(), 0, "{said:?}");
    });
}

#[test]
fn a_cookie_keeps_a_client_at_its_target_group() {
    run(async {
        let (stage, one, two) = (Stage::new().await, Target::start("one").await, Target::start("two").await);
        let balancer = stage.balancer("sticky-groups").await;
        let (first, second) = (stage.group("one").await, stage.group("two").await);
        stage.register(&first, &one.at).await;
        stage.register(&second, &two.at).await;
        let action = json!({"Type": "forward", "ForwardConfig": {
            "TargetGroups": [{"TargetGroupArn": first, "Weight": 1}, {"TargetGroupArn": second, "Weight": 1}],
            "TargetGroupStickinessConfig": {"Enabled": true, "DurationSeconds": 600}}});
        stage.listener(&balancer, 80, action).await;
        let at = stage.served("sticky-groups", 80).await;
        stage.until(&first, "healthy").await;
        stage.until(&second, "healthy").await;
        let chosen = get(at, "a", "/").await;
        let cookies = chosen.cookies();
        assert!(cookies[0].starts_with("AWSALBTG=") && cookies[1].starts_with("AWSALBTGCORS="), "{cookies:?}");
        for _ in 0..8 {
            assert_eq!(with_cookies(at, "/", &cookies).await.target(), chosen.target());
        }
    });
}
