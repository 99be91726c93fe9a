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
        stage.rule(&listener, 5, json!([{"Field": "path-pattern", "Values": ["/two/*"]}]), json!([fixed("410", "gone")])).await;
        stage.served("rules", 80).await;
        assert_eq!(get(at, "www.example.com", "/two/a").await.status, 410);
    });
}
