//! Readiness probes of containers, as a kubelet makes them: by HTTP or by opening a connection, on the Pod's mapped address.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use k8s_openapi::api::core::v1::{Container, HTTPGetAction, Probe};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::mapped::allowed;
use crate::net::exchange_with;

/// Goes on probing a container; says in `ready` whether it is ready. Without a probe it is from the start.
///
/// A probe of a kind that cannot be made here (`exec`, `grpc`) succeeds.
pub(crate) async fn readiness(container: Container, address: Ipv4Addr, ready: watch::Sender<bool>) {
    let Some(probe) = container.readiness_probe.clone() else {
        ready.send_replace(true);
        return;
    };
    let seconds = |value: Option<i32>, usual: u64| {
        Duration::from_secs(
            value.and_then(|value| u64::try_from(value).ok()).filter(|value| *value > 0).unwrap_or(usual),
        )
    };
    // https://kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes/: the defaults of each field.
    tokio::time::sleep(seconds(probe.initial_delay_seconds, 0)).await;
    let (period, timeout) = (seconds(probe.period_seconds, 10), seconds(probe.timeout_seconds, 1));
    let (needed, allowed) = (probe.success_threshold.unwrap_or(1).max(1), probe.failure_threshold.unwrap_or(3).max(1));
    let (mut last, mut times) = (false, 0);
    loop {
        let passed = tokio::time::timeout(timeout, passes(&probe, &container, address)).await.unwrap_or(false);
        times = if passed == last { times + 1 } else { 1 };
        last = passed;
        if times >= if passed { needed } else { allowed } {
            ready.send_if_modified(|ready| std::mem::replace(ready, passed) != passed);
        }
        tokio::time::sleep(period).await;
    }
}

async fn passes(probe: &Probe, container: &Container, address: Ipv4Addr) -> bool {
    let at = |port: &IntOrString| number(port, container).map(|port| SocketAddr::from((address, allowed(port))));
    if let Some(get) = &probe.http_get {
        let Some(at) = at(&get.port) else { return false };
        return get_status(get, at).await.is_some_and(|status| (200..400).contains(&status));
    }
    match &probe.tcp_socket {
        Some(tcp) => match at(&tcp.port) {
            Some(at) => TcpStream::connect(at).await.is_ok(),
            None => false,
        },
        None => true,
    }
}

/// The status that an `httpGet` gets.
pub(crate) async fn get_status(get: &HTTPGetAction, at: SocketAddr) -> Option<u16> {
    let mut request = hyper::Request::get(get.path.as_deref().filter(|path| path.starts_with('/')).unwrap_or("/"))
        .header("user-agent", "kube-probe/testenv")
        .header("connection", "close");
    let own = get.http_headers.iter().flatten();
    let named_host =
        own.clone().find(|header| header.name.eq_ignore_ascii_case("host")).map(|header| header.value.clone());
    request = request.header("host", named_host.unwrap_or_else(|| at.to_string()));
    for header in own.filter(|header| !header.name.eq_ignore_ascii_case("host")) {
        request = request.header(&header.name, &header.value);
    }
    let answer = exchange_with(at, request.body(http_body_util::Full::default()).ok()?).await.ok()?;
    Some(answer.status().as_u16())
}

/// The number of a port that a probe or hook names.
pub(crate) fn number(port: &IntOrString, container: &Container) -> Option<u16> {
    let number = match port {
        IntOrString::Int(number) => *number,
        IntOrString::String(name) => {
            let named = |port: &&k8s_openapi::api::core::v1::ContainerPort| port.name.as_ref() == Some(name);
            container.ports.iter().flatten().find(named)?.container_port
        }
    };
    u16::try_from(number).ok()
}
