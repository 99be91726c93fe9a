//! What a region holds as an indented text, for people and for comparing: load balancers with listeners, rules and target groups.
#![expect(
    clippy::indexing_slicing,
    clippy::similar_names,
    reason = "JSON of AWS, where a missing field shows as nothing"
)]

use std::fmt::Write as _;

use serde_json::Value;

use crate::aws_state::{Listener, LoadBalancer, SecurityGroup, State, TargetGroup, World};

impl State {
    /// Everything but the region's own security groups; subnets and security groups by name, target groups by their resource tag.
    pub fn picture(&self, world: &World) -> String {
        let mut text = String::new();
        for lb in &self.load_balancers {
            self.load_balancer_lines(&mut text, lb, world);
        }
        let mut loose: Vec<&TargetGroup> =
            self.target_groups.iter().filter(|tg| tg.load_balancer_arns.is_empty()).collect();
        loose.sort_by_key(|tg| resource(tg));
        for tg in loose {
            target_group_lines(&mut text, "", tg);
        }
        let mut groups: Vec<_> = self.security_groups.iter().filter(|sg| !is_untouched(sg, world)).collect();
        groups.sort_by_key(|sg| &sg.name);
        for sg in groups {
            let _ = writeln!(text, "security group {}", sg.name);
            for permission in &sg.ip_permissions {
                let _ = writeln!(text, "  {}", self.permission(permission));
            }
        }
        text
    }

    fn load_balancer_lines(&self, text: &mut String, lb: &LoadBalancer, world: &World) {
        let (scheme, kind) = (lb.scheme.as_deref().unwrap_or("?"), lb.ip_address_type.as_deref().unwrap_or("?"));
        let _ = writeln!(text, "load balancer {} ({scheme}, {kind})", lb.name);
        let zones = lb.rest.get("AvailabilityZones").and_then(Value::as_array);
        let ids = zones.into_iter().flatten().filter_map(|zone| zone["SubnetId"].as_str());
        let name = |id: &str| world.subnets.iter().find(|s| s.id == id).map_or(id.to_owned(), |s| s.name.clone());
        let mut subnets: Vec<String> = ids.map(name).collect();
        subnets.sort();
        let _ = writeln!(text, "  subnets {}", subnets.join(", "));
        let groups: Vec<String> = lb.security_groups.iter().map(|id| self.group_name(id)).collect();
        let _ = writeln!(text, "  security groups {}", groups.join(", "));
        let mut listeners: Vec<&Listener> = lb.listeners.iter().collect();
        listeners.sort_by_key(|listener| listener.port);
        for listener in listeners {
            self.listener_lines(text, listener);
        }
        let mut used: Vec<&TargetGroup> =
            self.target_groups.iter().filter(|tg| tg.load_balancer_arns.contains(&lb.arn)).collect();
        used.sort_by_key(|tg| resource(tg));
        for tg in used {
            target_group_lines(text, "  ", tg);
        }
    }

    fn listener_lines(&self, text: &mut String, listener: &Listener) {
        let _ = write!(text, "  listener {} {}", listener.protocol, listener.port);
        let mut certificates: Vec<&str> =
            listener.all_certificates.iter().filter_map(|c| c["CertificateArn"].as_str()?.rsplit('/').next()).collect();
        certificates.dedup();
        if !certificates.is_empty() {
            let _ = write!(text, ", certificate {}", certificates.join(", "));
        }
        text.push('\n');
        for rule in &listener.rules {
            let conditions: Vec<String> = rule.conditions.iter().map(condition).collect();
            let actions: Vec<String> = rule.actions.iter().map(|action| self.action(action)).collect();
            let when = if conditions.is_empty() { String::new() } else { format!("{} ", conditions.join(" and ")) };
            let _ = writeln!(text, "    {}: {when}-> {}", rule.priority, actions.join(", then "));
        }
    }

    fn action(&self, action: &Value) -> String {
        match action["Type"].as_str().unwrap_or_default() {
            "forward" => {
                let all = action["ForwardConfig"]["TargetGroups"].as_array().into_iter().flatten();
                let to = all.map(|to| {
                    let arn = to["TargetGroupArn"].as_str().unwrap_or_default();
                    self.target_group(arn).map_or_else(|| arn.to_owned(), |tg| resource(tg).to_owned())
                });
                to.collect::<Vec<_>>().join(" | ")
            }
            "fixed-response" => format!("answer {}", string(&action["FixedResponseConfig"]["StatusCode"])),
            "redirect" => {
                let to = &action["RedirectConfig"];
                let (code, protocol, port) = (string(&to["StatusCode"]), string(&to["Protocol"]), string(&to["Port"]));
                format!("redirect {code} to {protocol} {port}")
            }
            other => other.to_owned(),
        }
    }

    fn group_name(&self, id: &str) -> String {
        self.security_group(id).map_or_else(|| id.to_owned(), |sg| sg.name.clone())
    }

    fn permission(&self, permission: &Value) -> String {
        let list = |field: &str, key: &str| -> Vec<String> {
            permission[field].as_array().into_iter().flatten().map(|from| string(&from[key])).collect()
        };
        let groups = list("UserIdGroupPairs", "GroupId").iter().map(|id| self.group_name(id)).collect();
        let from =
            [list("IpRanges", "CidrIp"), list("Ipv6Ranges", "CidrIpv6"), list("PrefixListIds", "PrefixListId"), groups];
        let (first, last) = (string(&permission["FromPort"]), string(&permission["ToPort"]));
        let ports = if first == last { first } else { format!("{first}-{last}") };
        format!("{} {ports} from {}", string(&permission["IpProtocol"]), from.concat().join(", "))
    }
}

fn target_group_lines(text: &mut String, indent: &str, tg: &TargetGroup) {
    let (protocol, port) = (tg.protocol.as_deref().unwrap_or("?"), tg.port.unwrap_or_default());
    let _ = writeln!(text, "{indent}target group {} ({protocol} {port}, {}) {}", tg.name, tg.target_type, resource(tg));
    let mut targets = tg.targets.clone();
    targets.sort();
    for target in targets {
        let _ = writeln!(text, "{indent}  {}:{} {}", target.id, target.port, target.state);
    }
}

fn condition(condition: &Value) -> String {
    let config = |name: &str| {
        let values = condition[name]["Values"].as_array().into_iter().flatten();
        values.map(string).collect::<Vec<_>>().join(" | ")
    };
    match condition["Field"].as_str().unwrap_or_default() {
        "host-header" => format!("host {}", config("HostHeaderConfig")),
        "path-pattern" => format!("path {}", config("PathPatternConfig")),
        other => other.to_owned(),
    }
}

/// Which resource of its group a target group is; its name, when it is nobody's.
fn resource(tg: &TargetGroup) -> &str {
    tg.tags.get("ingress.k8s.aws/resource").map_or(&tg.name, |resource| resource)
}

/// Those that the region had from the start, as long as nobody opened them.
fn is_untouched(group: &SecurityGroup, world: &World) -> bool {
    group.name == "default" || (group.id == world.node_security_group && group.ip_permissions.is_empty())
}

fn string(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}
