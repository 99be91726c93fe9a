//! Listeners of a group with their default actions, without rules.

use std::collections::BTreeMap;

use super::certificates;
use super::group::Group;
use super::merge::first_or_default;
use crate::annotation::catalogue::{MUTUAL_AUTHENTICATION, SSL_POLICY};
use crate::stack::{Action, FixedResponse, Listener, Protocol, Redirect, ResourceId, Tags};

/// Listeners by port; `redirect`: the port to which HTTP listeners redirect everything.
pub(super) fn listeners(group: Group<'_>, redirect: Option<u16>) -> BTreeMap<u16, Listener> {
    let listener = |(port, protocol)| (port, listener(group, port, protocol, redirect));
    group.ports().into_iter().map(listener).collect()
}

fn listener(group: Group<'_>, port: u16, protocol: Protocol, redirect: Option<u16>) -> Listener {
    let https = protocol == Protocol::Https;
    let of_port = || group.fragments_on(port);
    let policy = first_or_default(of_port(), &SSL_POLICY, group.input.settings).filter(|_| https);
    let id = ResourceId::listener(port);
    Listener {
        port,
        protocol,
        default_actions: default_actions(group, port, protocol, redirect.filter(|_| !https)),
        certificates: if https { certificates::merge(of_port()) } else { Vec::new() },
        ssl_policy: policy,
        mutual_authentication: of_port().find_map(|one| one.values.get(&MUTUAL_AUTHENTICATION)?.remove(&port)),
        attributes: group.listener_attributes(port, protocol),
        tags: if group.tags_listeners() { group.tags(&id, of_port()) } else { Tags::new() },
        rules: Vec::new(),
    }
}

fn default_actions(group: Group<'_>, port: u16, protocol: Protocol, redirect: Option<u16>) -> Vec<Action> {
    if let Some(target) = redirect {
        return vec![Action::Redirect(Redirect {
            host: None,
            path: None,
            port: Some(target.to_string()),
            protocol: Some("HTTPS".to_owned()),
            query: None,
            status_code: "HTTP_301".to_owned(),
        })];
    }
    match group.fragments_on(port).find_map(|fragment| fragment.default_backend.as_ref()) {
        Some(backend) => backend.actions_on(protocol).to_vec(),
        None => vec![Action::FixedResponse(FixedResponse {
            content_type: Some("text/plain".to_owned()),
            message_body: None,
            status_code: "404".to_owned(),
        })],
    }
}
