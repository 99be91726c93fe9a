//! Health checks and deregistration.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::client::get;
use crate::stage::{SOON, Stage, forward, run};
use crate::target::Target;

#[test]
fn checks_decide_who_gets_requests_and_aws_tells_of_them() {
    run(async {
        let (stage, one, two) = (Stage::new().await, Target::start("one").await, Target::start("two").await);
        let balancer = stage.balancer("health").await;
        let group = stage.group("health").await;
        stage.register(&group, &one.at).await;
        assert_eq!(stage.health(&group).await[0].0, "unused", "nobody forwards to it");
        stage.listener(&balancer, 80, forward(&group)).await;
        let at = stage.served("health", 80).await;
        stage.until(&group, "healthy").await;
        two.health.store(500, Ordering::Relaxed);
        stage.register(&group, &two.at).await;
        let began = std::time::Instant::now();
        let mismatch = ("unhealthy".to_owned(), Some("Target.ResponseCodeMismatch".to_owned()));
        while !stage.health(&group).await.contains(&mismatch) {
            assert!(began.elapsed() < SOON, "{:?}", stage.health(&group).await);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        for _ in 0..10 {
            assert_eq!(get(at, "a", "/").await.target(), "one");
        }
        two.health.store(200, Ordering::Relaxed);
        stage.until(&group, "healthy").await;
        let mut targets: Vec<String> = Vec::new();
        for _ in 0..4 {
            targets.push(get(at, "a", "/").await.target());
        }
        targets.sort();
        assert_eq!(targets, ["one", "one", "two", "two"], "each in turn");
        // All unhealthy: it fails open.
        one.health.store(503, Ordering::Relaxed);
        two.health.store(503, Ordering::Relaxed);
        stage.until(&group, "unhealthy").await;
        assert_eq!(get(at, "a", "/").await.status, 200);
    });
}

#[test]
fn a_group_without_targets_answers_503_and_a_dead_target_502() {
    run(async {
        let (stage, target) = (Stage::new().await, Target::start("one").await);
        let balancer = stage.balancer("empty").await;
        let group = stage.group("empty").await;
        stage.listener(&balancer, 80, forward(&group)).await;
        let at = stage.served("empty", 80).await;
        let answer = get(at, "a", "/").await;
        assert_eq!((answer.status, answer.header("server")), (503, "awselb/2.0"));
        stage.register(&group, &target.at).await;
        stage.until(&group, "healthy").await;
        assert_eq!(get(at, "a", "/broken").await.status, 502);
        let dead = target.at;
        drop(target);
        let answer = get(at, "a", "/").await;
        assert_eq!(answer.status, 502, "{dead} refuses");
        stage.until(&group, "unhealthy").await;
        let served = stage.alb.served();
        assert_eq!(served.of("empty", albedo_alb::By::LoadBalancer, 503), 1);
        assert_eq!(served.of("empty", albedo_alb::By::LoadBalancer, 502), 2);
    });
}

#[test]
fn running_requests_end_when_a_target_is_deregistered_and_no_new_ones_come() {
    run(async {
        let (stage, one, two) = (Stage::new().await, Target::start("one").await, Target::start("two").await);
        let balancer = stage.balancer("drains").await;
        let group = stage.group("drains").await;
        // 60 s of AWS are 12 s here.
        stage.group_attributes(&group, &[("deregistration_delay.timeout_seconds", "60")]).await;
        stage.register(&group, &one.at).await;
        stage.listener(&balancer, 80, forward(&group)).await;
        let at = stage.served("drains", 80).await;
        stage.until(&group, "healthy").await;
        let running = tokio::spawn(async move { get(at, "a", "/?wait=3000").await });
        while one.requests.load(Ordering::Relaxed) == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        stage.register(&group, &two.at).await;
        stage.until(&group, "healthy").await;
        stage.deregister(&group, &one.at).await;
        stage.served("drains", 80).await;
        for _ in 0..10 {
            assert_eq!(get(at, "a", "/").await.target(), "two");
        }
        assert_eq!(running.await.unwrap().target(), "one");
    });
}

#[test]
fn when_the_delay_is_over_what_still_runs_is_cut() {
    run(async {
        let (stage, target) = (Stage::new().await, Target::start("one").await);
        let balancer = stage.balancer("cut").await;
        let group = stage.group("cut").await;
        stage.group_attributes(&group, &[("deregistration_delay.timeout_seconds", "5")]).await;
        stage.register(&group, &target.at).await;
        stage.listener(&balancer, 80, forward(&group)).await;
        let at = stage.served("cut", 80).await;
        stage.until(&group, "healthy").await;
        let running = tokio::spawn(async move { get(at, "a", "/?wait=60000").await });
        while target.requests.load(Ordering::Relaxed) == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        stage.deregister(&group, &target.at).await;
        let answer = tokio::time::timeout(SOON, running).await.expect("it is cut long before it would end").unwrap();
        assert_eq!(answer.status, 502);
    });
}

#[test]
fn an_address_that_stands_for_no_loopback_address_is_never_dialled() {
    run(async {
        let stage = Stage::new().await;
        let balancer = stage.balancer("outside").await;
        let group = stage.group("outside").await;
        let target = serde_json::json!({"TargetGroupArn": group, "Targets": [{"Id": "192.168.7.7", "Port": 80, "AvailabilityZone": "all"}]});
        stage.call("RegisterTargets", target).await;
        stage.listener(&balancer, 80, forward(&group)).await;
        let at = stage.served("outside", 80).await;
        stage.until(&group, "unhealthy").await;
        // It fails open, and comes to nothing.
        assert_eq!(get(at, "a", "/").await.status, 502);
    });
}
