//! What the engine desires, in the normal form of the recordings: ids become names, defaults of AWS are left out.

use std::collections::BTreeMap;

use albedo_engine::kinds::Key;
use albedo_engine::plan;
use albedo_engine::stack::{CLUSTER_TAG, Desired, RESOURCE_TAG, STACK_TAG};
use ipnet::IpNet;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::account;
use crate::case::Cluster;

/// Off for a fresh NLB, unlike an ALB.
const OF_NLB: [(&str, &str); 1] = [("load_balancing.cross_zone.enabled", "false")];

/// What AWS answers for a fresh load balancer; `*`: whatever it says.
const OF_LOAD_BALANCER: [(&str, &str); 24] = [
    ("access_logs.s3.enabled", "false"),
    ("access_logs.s3.bucket", ""),
    ("access_logs.s3.prefix", ""),
    ("connection_logs.s3.enabled", "false"),
    ("connection_logs.s3.bucket", ""),
    ("connection_logs.s3.prefix", ""),
    ("health_check_logs.s3.enabled", "false"),
    ("health_check_logs.s3.bucket", ""),
    ("health_check_logs.s3.prefix", ""),
    ("client_keep_alive.seconds", "3600"),
    ("deletion_protection.enabled", "false"),
    ("idle_timeout.timeout_seconds", "60"),
    ("ipv6.deny_all_igw_traffic", "false"),
    ("load_balancing.cross_zone.enabled", "*"),
    ("routing.http.desync_mitigation_mode", "defensive"),
    ("routing.http.drop_invalid_header_fields.enabled", "false"),
    ("routing.http.preserve_host_header.enabled", "false"),
    ("routing.http.x_amzn_tls_version_and_cipher_suite.enabled", "false"),
    ("routing.http.xff_client_port.enabled", "false"),
    ("routing.http.xff_header_processing.mode", "append"),
    ("routing.http2.enabled", "true"),
    ("waf.fail_open.enabled", "false"),
    ("zonal_shift.config.enabled", "false"),
    ("dns_record.client_routing_policy", "any_availability_zone"),
];

const OF_TARGET_GROUP: [(&str, &str); 15] = [
    ("deregistration_delay.timeout_seconds", "300"),
    ("stickiness.enabled", "false"),
    ("stickiness.type", "lb_cookie"),
    ("stickiness.lb_cookie.duration_seconds", "86400"),
    ("stickiness.app_cookie.cookie_name", ""),
    ("stickiness.app_cookie.duration_seconds", "86400"),
    ("load_balancing.algorithm.type", "round_robin"),
    ("load_balancing.algorithm.anomaly_mitigation", "off"),
    ("slow_start.duration_seconds", "0"),
    ("load_balancing.cross_zone.enabled", "use_load_balancer_configuration"),
    ("waf.fail_open.enabled", "false"),
    ("target_group_health.dns_failover.minimum_healthy_targets.count", "1"),
    ("target_group_health.dns_failover.minimum_healthy_targets.percentage", "off"),
    ("target_group_health.unhealthy_state_routing.minimum_healthy_targets.count", "1"),
    ("target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage", "off"),
];

const OF_LISTENER: [(&str, &str); 2] =
    [("routing.http.response.server.enabled", "true"), ("tcp.idle_timeout.seconds", "350")];

/// What a redirect says that changes nothing.
const UNCHANGED: [(&str, &str); 5] = [
    ("Protocol", "#{protocol}"),
    ("Port", "#{port}"),
    ("Host", "#{host}"),
    ("Path", "/#{path}"),
    ("Query", "#{query}"),
];

/// The lists of a recording that the engine answers for.
pub const LISTS: [&str; 4] = ["loadBalancers", "targetGroups", "securityGroups", "targetGroupBindings"];

/// Several groups in one: the lists of a recording.
pub fn of(all: &[Desired], cluster: &Cluster) -> Value {
    let mut lists: BTreeMap<&str, Vec<Value>> = LISTS.map(|list| (list, Vec::new())).into();
    for desired in all {
        let normal = Normal { stack: desired.group.to_string(), shape: plan::shape(desired), cluster };
        let is = &normal.shape;
        let balancers = [("LoadBalancer", &is["Listeners"]), ("FrontendNlb", &is["FrontendNlb"]["Listeners"])];
        let balancers = balancers.into_iter().filter_map(|(key, listeners)| is.get(key).map(|is| (is, listeners)));
        lists.entry(LISTS[0]).or_default().extend(balancers.map(|(is, listeners)| normal.load_balancer(is, listeners)));
        lists.entry(LISTS[1]).or_default().extend(items(&is["TargetGroups"]).map(|is| normal.target_group(is)));
        lists
            .entry(LISTS[2])
            .or_default()
            .extend(items(&is["ManagedSecurityGroups"]).map(|is| normal.security_group(is)));
        lists.entry(LISTS[3]).or_default().extend(items(&is["TargetGroupBindings"]).map(|is| normal.binding(is)));
    }
    canonical(json!(lists))
}

/// Lists that have no order are sorted, so that two forms can be compared.
pub fn canonical(value: Value) -> Value {
    const UNORDERED: [&str; 12] = [
        "loadBalancers",
        "targetGroups",
        "securityGroups",
        "targetGroupBindings",
        "subnets",
        "moreCertificates",
        "conditions",
        "values",
        "regex",
        "forward",
        "transforms",
        "ingress",
    ];
    match value {
        Value::Object(map) => map
            .into_iter()
            .map(|(key, value)| {
                let mut value = canonical(value);
                if let (true, Value::Array(list)) = (UNORDERED.contains(&key.as_str()), &mut value) {
                    list.sort_by_key(Value::to_string);
                }
                (key, value)
            })
            .collect(),
        Value::Array(list) => list.into_iter().map(canonical).collect(),
        other => other,
    }
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn texts(list: &Value) -> Vec<&str> {
    items(list).filter_map(Value::as_str).collect()
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}

/// Members in lower camel case, without those that say nothing.
fn low(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let said = map.iter().filter(|(_, value)| !is_nothing(value));
            said.map(|(key, value)| (camel(key), low(value))).collect()
        }
        Value::Array(list) => list.iter().map(low).collect(),
        other => other.clone(),
    }
}

fn camel(key: &str) -> String {
    let mut letters = key.chars();
    letters.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(letters).collect()
}

/// Attributes that differ from what AWS gives a fresh resource.
fn differing(attributes: &Value, defaults: &[(&str, &str)]) -> Value {
    let of = |key: &str| defaults.iter().find(|(name, _)| *name == key).map(|(_, value)| *value);
    items(attributes)
        .filter_map(|pair| Some((pair["Key"].as_str()?, pair["Value"].as_str()?)))
        .filter(|(key, value)| match of(key) {
            Some(default) => default != "*" && default != *value,
            None => !value.is_empty(),
        })
        .map(|(key, value)| (key.to_owned(), json!(value)))
        .collect()
}

/// The configuration of an action, condition or transform.
fn config(of: &Value) -> &Value {
    let map = of.as_object().expect("an object");
    map.iter().find(|(key, _)| key.ends_with("Config")).map_or(&Value::Null, |(_, value)| value)
}

struct Normal<'a> {
    stack: String,
    shape: Value,
    cluster: &'a Cluster,
}

impl Normal<'_> {
    /// Stack, resource and the tags that are not the tracking ones.
    fn own(&self, tags: &Value, with_stack: bool) -> Map<String, Value> {
        let mut tags: BTreeMap<&str, &str> =
            items(tags).filter_map(|tag| Some((tag["Key"].as_str()?, tag["Value"].as_str()?))).collect();
        let mut own = Map::new();
        if with_stack {
            own.insert("stack".to_owned(), json!(self.stack));
        }
        own.insert("resource".to_owned(), json!(tags.remove(RESOURCE_TAG)));
        if tags.get(CLUSTER_TAG) == Some(&"demo") {
            tags.remove(CLUSTER_TAG);
        }
        if tags.get(STACK_TAG) == Some(&self.stack.as_str()) {
            tags.remove(STACK_TAG);
        }
        if !tags.is_empty() {
            own.insert("tags".to_owned(), json!(tags));
        }
        own
    }

    fn named(&self, id: &str) -> String {
        if id == "ManagedLBSecurityGroup" {
            let name = self.shape["ManagedSecurityGroups"][0]["GroupName"].as_str().unwrap_or("missing");
            return format!("sg({name})");
        }
        let standard = account::SUBNETS.iter().find(|(_, known, ..)| *known == id).map(|(name, ..)| *name);
        let known = match id {
            account::NODE_GROUP => Some("node-sg"),
            account::VPC => Some("cluster-vpc"),
            other => standard.or((other == "backend-sg").then_some("backend-sg")),
        };
        known.unwrap_or(id).to_owned()
    }

    fn names(&self, ids: &Value) -> Vec<String> {
        let mut names: Vec<String> = texts(ids).into_iter().map(|id| self.named(id)).collect();
        names.sort();
        names
    }

    fn load_balancer(&self, is: &Value, listeners: &Value) -> Value {
        let mut own = self.own(&is["Tags"], true);
        let fresh: &[(&str, &str)] = if is["Type"] == "network" { &OF_NLB } else { &OF_LOAD_BALANCER };
        let mapped: Vec<&Value> = items(&is["SubnetMappings"]).map(|mapping| &mapping["SubnetId"]).collect();
        let subnets = is.get("Subnets").cloned().unwrap_or_else(|| json!(mapped));
        own.extend([
            ("name".to_owned(), is["Name"].clone()),
            ("type".to_owned(), is["Type"].clone()),
            ("scheme".to_owned(), is["Scheme"].clone()),
            ("ipAddressType".to_owned(), is["IpAddressType"].clone()),
            ("subnets".to_owned(), json!(self.names(&subnets))),
            ("securityGroups".to_owned(), json!(self.names(&is["SecurityGroups"]))),
            ("attributes".to_owned(), differing(&is["Attributes"], fresh)),
        ]);
        for (from, to) in [("CustomerOwnedIpv4Pool", "customerOwnedIpv4Pool"), ("IpamPools", "ipamPools")] {
            own.extend(is.get(from).map(|value| (to.to_owned(), low(value))));
        }
        let attached = [
            ("/WebAcl/WebACLArn", "wafv2"),
            ("/ClassicWebAcl/WebACLId", "wafClassic"),
            ("/Protection/Name", "shield"),
            ("/MinimumLoadBalancerCapacity/CapacityUnits", "minimumCapacityUnits"),
        ];
        let attached = attached.into_iter().filter(|_| is["Type"] == "application");
        for (from, to) in attached {
            own.extend(
                self.shape.pointer(from).filter(|value| **value != 0).map(|value| (to.to_owned(), value.clone())),
            );
        }
        let listeners = items(listeners).map(|is| (is["Port"].to_string(), self.listener(is)));
        own.insert("listeners".to_owned(), listeners.collect());
        Value::Object(own)
    }

    fn listener(&self, is: &Value) -> Value {
        let mut own = self.own(&is["Tags"], false);
        own.insert("protocol".to_owned(), is["Protocol"].clone());
        if is["Protocol"] == "HTTPS" {
            let arns = |list: &Value| json!(items(list).map(|one| one["CertificateArn"].clone()).collect::<Vec<_>>());
            own.insert("sslPolicy".to_owned(), is["SslPolicy"].clone());
            own.insert("defaultCertificate".to_owned(), is["Certificates"][0]["CertificateArn"].clone());
            own.insert("moreCertificates".to_owned(), arns(&is["AdditionalCertificates"]));
        }
        if is.pointer("/MutualAuthentication/Mode").is_some_and(|mode| mode != "off") {
            own.insert("mutualAuthentication".to_owned(), low(&is["MutualAuthentication"]));
        }
        let attributes = differing(&is["Attributes"], &OF_LISTENER);
        if !is_nothing(&attributes) {
            own.insert("attributes".to_owned(), attributes);
        }
        own.insert("defaultActions".to_owned(), self.actions(&is["DefaultActions"]));
        own.insert("rules".to_owned(), items(&is["Rules"]).map(|is| self.rule(is)).collect());
        Value::Object(own)
    }

    fn rule(&self, is: &Value) -> Value {
        let mut own = self.own(&is["Tags"], false);
        own.insert("priority".to_owned(), is["Priority"].clone());
        own.insert("conditions".to_owned(), items(&is["Conditions"]).map(condition).collect());
        own.insert("actions".to_owned(), self.actions(&is["Actions"]));
        if let Some(transforms) = is.get("Transforms") {
            let transform = |is: &Value| json!({"type": is["Type"], "rewrites": low(&config(is)["Rewrites"])});
            own.insert("transforms".to_owned(), items(transforms).map(transform).collect());
        }
        Value::Object(own)
    }

    fn actions(&self, list: &Value) -> Value {
        items(list).map(|is| self.action(is)).collect()
    }

    fn action(&self, is: &Value) -> Value {
        let config = config(is);
        match is["Type"].as_str().unwrap_or_default() {
            "forward" => self.forward(config),
            "redirect" => {
                let mut config = config.as_object().expect("an object").clone();
                config.retain(|key, value| !UNCHANGED.contains(&(key.as_str(), value.as_str().unwrap_or_default())));
                json!({"redirect": low(&Value::Object(config))})
            }
            "fixed-response" => json!({"fixedResponse": low(config)}),
            kind => {
                let mut told = Map::new();
                for (key, value) in config.as_object().expect("an object") {
                    if key == "ClientFromSecret" {
                        told.extend(self.client(value.as_str().unwrap_or_default()));
                    } else {
                        told.insert(camel(key), if value.is_array() { low(value) } else { value.clone() });
                    }
                }
                let kind = match kind {
                    "authenticate-oidc" => "authenticateOidc",
                    "authenticate-cognito" => "authenticateCognito",
                    _ => "jwtValidation",
                };
                json!({kind: told})
            }
        }
    }

    /// The client as it is read from its Secret when the action is sent.
    fn client(&self, secret: &str) -> Vec<(String, Value)> {
        let (namespace, name) = secret.split_once('/').expect("namespace/name");
        let Some(values) = self.cluster.secrets.get(&Key::new(namespace, name)) else { return Vec::new() };
        let id = values.get("clientID").or_else(|| values.get("clientId")).map(|id| id.trim_end());
        let secret = values.get("clientSecret").map(|secret| secret.trim_end_matches(char::is_control));
        vec![("clientId".to_owned(), json!(id)), ("clientSecret".to_owned(), json!(secret))]
    }

    fn forward(&self, config: &Value) -> Value {
        let groups: Vec<&Value> = items(&config["TargetGroups"]).collect();
        let alone = groups.len() == 1;
        let groups = groups.into_iter().map(|tuple| {
            let arn = tuple["TargetGroupArn"].as_str().unwrap_or_default();
            let own = items(&self.shape["TargetGroups"]).any(|group| group["ResourceId"] == arn);
            let name = arn.split('/').nth(1).filter(|_| arn.starts_with("arn:"));
            let name = match name {
                Some(name) => format!("tg-outside({name})"),
                None if own => format!("tg({arn})"),
                None => format!("no such target group: {arn}"),
            };
            let weight = tuple.get("Weight").cloned().unwrap_or_else(|| json!(1));
            if alone { json!({"targetGroup": name}) } else { json!({"targetGroup": name, "weight": weight}) }
        });
        let mut told = Map::from_iter([("forward".to_owned(), groups.collect())]);
        let sticky = &config["TargetGroupStickinessConfig"];
        if sticky["Enabled"] == true {
            let sticky = json!({"enabled": true, "durationSeconds": sticky["DurationSeconds"]});
            told.insert("stickiness".to_owned(), sticky);
        }
        Value::Object(told)
    }

    /// The name with `{hash}` where it is exactly the one that is computed from the Service's uid and the rest.
    fn group_name(&self, is: &Value) -> String {
        let text = |key: &str| is[key].as_str().unwrap_or_default();
        let (name, resource) = (text("Name"), text("ResourceId"));
        let Some((namespace, rest)) = resource.split_once('/') else { return name.to_owned() };
        let binding = items(&self.shape["TargetGroupBindings"])
            .find(|binding| binding["spec"]["targetGroupARN"] == resource)
            .expect("a binding");
        let service = binding["spec"]["serviceRef"]["name"].as_str().expect("a Service");
        let (before, port) = rest.rsplit_once(':').expect("a port");
        let ingress = before.strip_suffix(service).and_then(|rest| rest.strip_suffix('-')).expect("an Ingress");
        let found = self.cluster.world.service(&Key::new(namespace, service));
        let uid = found.and_then(|service| service.metadata.uid.clone()).unwrap_or_default();
        let control = is.get("TargetControlPort").map(Value::to_string).unwrap_or_default();
        let parts = [
            "demo",
            &self.stack,
            namespace,
            ingress,
            &uid,
            port,
            &is["Port"].to_string(),
            text("TargetType"),
            text("Protocol"),
            text("ProtocolVersion"),
            &control,
        ];
        let digest = Sha256::digest(parts.concat());
        let hash: String = digest.iter().take(5).map(|byte| format!("{byte:02x}")).collect();
        let plain = |text: &str| text.chars().filter(char::is_ascii_alphanumeric).take(8).collect::<String>();
        let stem = format!("k8s-{}-{}", plain(namespace), plain(service));
        if name == format!("{stem}-{hash}") {
            format!("{stem}-{{hash}}")
        } else {
            let stem = name.rsplit_once('-').map_or(name, |(stem, _)| stem);
            format!("{stem}-{{earlier-hash}}")
        }
    }

    fn target_group(&self, is: &Value) -> Value {
        let mut own = self.own(&is["Tags"], true);
        let matcher = &is["Matcher"];
        own.extend([
            ("name".to_owned(), json!(self.group_name(is))),
            ("targetType".to_owned(), is["TargetType"].clone()),
            ("protocol".to_owned(), is["Protocol"].clone()),
            ("protocolVersion".to_owned(), is["ProtocolVersion"].clone()),
            ("port".to_owned(), is["Port"].clone()),
            ("ipAddressType".to_owned(), is["IpAddressType"].clone()),
            (
                "healthCheck".to_owned(),
                json!({
                    "enabled": is["HealthCheckEnabled"],
                    "protocol": is["HealthCheckProtocol"],
                    "port": is["HealthCheckPort"],
                    "path": is["HealthCheckPath"],
                    "interval": is["HealthCheckIntervalSeconds"],
                    "timeout": is["HealthCheckTimeoutSeconds"],
                    "healthy": is["HealthyThresholdCount"],
                    "unhealthy": is["UnhealthyThresholdCount"],
                    "codes": matcher.get("HttpCode").or_else(|| matcher.get("GrpcCode")),
                }),
            ),
            ("attributes".to_owned(), differing(&is["Attributes"], &OF_TARGET_GROUP)),
        ]);
        own.extend(is.get("TargetControlPort").map(|port| ("targetControlPort".to_owned(), port.clone())));
        Value::Object(own)
    }

    fn security_group(&self, is: &Value) -> Value {
        let mut own = self.own(&is["Tags"], true);
        let permissions: Vec<String> = items(&is["IpPermissions"]).map(|one| self.permission(one)).collect();
        own.extend([
            ("name".to_owned(), is["GroupName"].clone()),
            ("description".to_owned(), is["Description"].clone()),
            ("ingress".to_owned(), json!(permissions)),
        ]);
        Value::Object(own)
    }

    fn permission(&self, is: &Value) -> String {
        const LISTS: [(&str, &str); 4] = [
            ("IpRanges", "CidrIp"),
            ("Ipv6Ranges", "CidrIpv6"),
            ("PrefixListIds", "PrefixListId"),
            ("UserIdGroupPairs", "GroupId"),
        ];
        let (from, to) = (&is["FromPort"], &is["ToPort"]);
        let protocol = is["IpProtocol"].as_str().unwrap_or_default();
        let ports = if from == to { format!("{protocol} {from}") } else { format!("{protocol} {from}-{to}") };
        let source = LISTS.iter().find_map(|(list, key)| is[*list][0][*key].as_str()).unwrap_or_default();
        // As AWS stores it: host bits cleared.
        let source = source.parse::<IpNet>().map_or_else(|_| self.named(source), |block| block.trunc().to_string());
        format!("{ports} from {source}")
    }

    fn binding(&self, is: &Value) -> Value {
        let mut spec = is["spec"].as_object().expect("a spec").clone();
        let resource = spec.remove("targetGroupARN").expect("a target group");
        let vpc = spec.get("vpcID").and_then(Value::as_str).map(|id| self.named(id));
        spec.extend(vpc.map(|vpc| ("vpcID".to_owned(), json!(vpc))));
        let mut spec = Value::Object(spec);
        let rules = spec.pointer_mut("/networking/ingress").and_then(Value::as_array_mut);
        for rule in rules.into_iter().flatten() {
            if let Some(group) = rule.pointer_mut("/from/0/securityGroup/groupID") {
                *group = json!(self.named(group.as_str().unwrap_or_default()));
            }
        }
        let group = items(&self.shape["TargetGroups"]).find(|group| group["ResourceId"] == resource);
        json!({
            "targetGroup": format!("tg({})", resource.as_str().unwrap_or_default()),
            "name": self.group_name(group.expect("a target group")),
            "namespace": is["metadata"]["namespace"],
            "labels": is["metadata"]["labels"],
            "spec": spec,
        })
    }
}

fn condition(is: &Value) -> Value {
    let config = config(is);
    let mut told = Map::from_iter([("field".to_owned(), is["Field"].clone())]);
    told.extend(config.get("HttpHeaderName").map(|name| ("name".to_owned(), name.clone())));
    let regex = config.get("RegexValues");
    told.extend(regex.map(|values| ("regex".to_owned(), values.clone())));
    if config.get("Values").is_some() || regex.is_none() {
        told.insert("values".to_owned(), items(&config["Values"]).map(low).collect());
    }
    Value::Object(told)
}
