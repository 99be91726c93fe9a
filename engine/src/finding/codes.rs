//! The finding codes: one row each, with an example that is accepted and one that is refused, which are its tests.

use std::fmt;

use serde::{Serialize, Serializer};

use super::{Effect, Tier};

/// Whether findings of a code deny at admission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certainty {
    /// They deny.
    Certain,
    /// They report that something is absent, which may come later, or not known, which may be right all the same, or not done: a
    /// warning unless admission is strict.
    Absence,
    /// They never deny: the Ingress does what its author wants, and something else would do it better.
    Advice,
}

/// What is known of a code.
#[derive(Debug)]
pub struct CodeRow {
    /// The code.
    pub code: Code,
    /// As it is printed: `ALB001`.
    pub id: &'static str,
    /// How sure its fact is.
    pub tier: Tier,
    /// Whether it denies at admission.
    pub certainty: Certainty,
    /// What it changes in AWS unless a finding says otherwise.
    pub effect: Effect,
    /// A few words.
    pub title: &'static str,
    /// Why it matters.
    pub explanation: &'static str,
    /// What to do, where nothing more precise can be said.
    pub fix: &'static str,
    /// An example without it, laid over a plain Ingress; `{p}` stands for the annotation prefix.
    pub accepts: &'static str,
    /// An example with it.
    pub refuses: &'static str,
}

macro_rules! codes {
    ($($code:ident = $id:literal, $tier:ident, $certainty:ident, $effect:ident, $title:literal,
        $explanation:literal, $fix:literal, accepts: $accepts:literal, refuses: $refuses:literal;)+) => {
        /// A stable code of a finding.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code { $(#[doc = $title] $code,)+ }

        /// All codes in order.
        pub static CODES: &[CodeRow] = &[$(CodeRow {
            code: Code::$code,
            id: $id,
            tier: Tier::$tier,
            certainty: codes!(@certainty $certainty),
            effect: Effect::$effect,
            title: $title,
            explanation: $explanation,
            fix: $fix,
            accepts: $accepts,
            refuses: $refuses,
        },)+];

        impl Code {
            /// What is known of the code.
            #[must_use]
            pub fn row(self) -> &'static CodeRow {
                match self { $(Self::$code => const { row(Code::$code) },)+ }
            }
        }

        /// The row of a code: rows stand in the order of the enum, so that its number is its place.
        const fn row(code: Code) -> &'static CodeRow {
            match CODES.split_at(code as usize).1.first() {
                Some(row) => row,
                None => unreachable_row(),
            }
        }
    };
    (@certainty certain) => { Certainty::Certain };
    (@certainty absence) => { Certainty::Absence };
    (@certainty advice) => { Certainty::Advice };
}

/// Every variant of the enum comes from the same list as the rows, so this is never evaluated: it would not build.
#[expect(clippy::panic, reason = "evaluated by the compiler alone, where it is a build error")]
const fn unreachable_row() -> &'static CodeRow {
    panic!("a code without a row")
}

codes! {
    UnknownAnnotation = "ALB001", Static, certain, Nothing, "unknown annotation",
        "A key with our prefix that Albedo does not know, most often because it is misspelt. The intended setting has no effect.",
        "correct or remove the key",
        accepts: "annotations: {'{p}scheme': internal}",
        refuses: "annotations: {'{p}schema': internal}";
    InvalidScheme = "ALB002", Static, certain, MemberQuarantined, "unknown scheme",
        "A load balancer is reached from inside the VPC (internal) or from the internet (internet-facing).",
        "write internal or internet-facing",
        accepts: "annotations: {'{p}scheme': internet-facing}",
        refuses: "annotations: {'{p}scheme': public}";
    InvalidTargetType = "ALB003", Static, certain, MemberQuarantined, "unknown target type",
        "Requests go to pods by their address (ip) or to a NodePort of every node (instance).",
        "write ip (pods by address, any Service type) or instance (nodes by NodePort)",
        accepts: "annotations: {'{p}target-type': ip}",
        refuses: "annotations: {'{p}target-type': pod}";
    InvalidSubnets = "ALB004", Static, certain, MemberQuarantined, "subnets that cannot be used",
        "Subnets are named by id (subnet- and hexadecimal digits) or by their Name tag, each once, in at least two zones.",
        "list at least two subnets of different availability zones, or leave the annotation out to have them discovered",
        accepts: "annotations: {'{p}subnets': 'subnet-0a11, subnet-0b22'}",
        refuses: "annotations: {'{p}subnets': 'subnet-0a11, subnet-0a11'}";
    InvalidCertificateArn = "ALB005", Static, certain, MemberQuarantined, "not a certificate's ARN",
        "A listener accepts certificates of ACM (arn:aws:acm:REGION:ACCOUNT:certificate/ID) or of IAM (arn:aws:iam::ACCOUNT:server-certificate/NAME).",
        "copy the ARN from ACM: arn:aws:acm:REGION:ACCOUNT:certificate/ID",
        accepts: "annotations: {'{p}certificate-arn': 'arn:aws:acm:eu-central-1:123456789012:certificate/0d1b6a9c-1234-4f5e-9abc-0123456789ab'}",
        refuses: "annotations: {'{p}certificate-arn': 'arn:arn:aws:acm:eu-central-1:123456789012:certificate/0d1b6a9c'}";
    InvalidListenPorts = "ALB006", Static, certain, MemberQuarantined, "listen-ports that cannot be read",
        "listen-ports is a JSON list of objects that map HTTP or HTTPS to a port from 1 to 65535.",
        "write for example [{\"HTTP\": 80}, {\"HTTPS\": 443}]",
        accepts: "annotations: {'{p}listen-ports': '[{\"HTTP\": 80}, {\"HTTP\": 8080}]'}",
        refuses: "annotations: {'{p}listen-ports': '[{\"TCP\": 80}]'}";
    InvalidGroupName = "ALB007", Static, certain, MemberQuarantined, "not a group's name",
        "A group's name has at most 63 lower-case letters, digits, '-' and '.', with a letter or digit at both ends.",
        "use lower-case letters, digits, '-' and '.', at most 63, a letter or digit first and last",
        accepts: "annotations: {'{p}group.name': shop.public}",
        refuses: "annotations: {'{p}group.name': Shop_Public}";
    InvalidGroupOrder = "ALB008", Static, certain, MemberQuarantined, "not a group order",
        "A whole number from -1000 to 1000 orders the members of a group. In LBC, an invalid number blocks the whole group.",
        "write a whole number from -1000 to 1000",
        accepts: "annotations: {'{p}group.name': shop, '{p}group.order': '-10'}",
        refuses: "annotations: {'{p}group.name': shop, '{p}group.order': '1001'}";
    InvalidPath = "ALB009", Static, certain, MemberQuarantined, "path that conflicts with its type",
        "With pathType Prefix and Exact a path must not have wildcards; they are for ImplementationSpecific.",
        "use / with Prefix, or keep the wildcard with pathType: ImplementationSpecific",
        accepts: "spec: {rules: [{http: {paths: [{path: '/*', pathType: ImplementationSpecific, backend: {service: {name: app, port: {number: 80}}}}]}}]}",
        refuses: "spec: {rules: [{http: {paths: [{path: '/*', pathType: Prefix, backend: {service: {name: app, port: {number: 80}}}}]}}]}";
    UnsupportedBackend = "ALB010", Static, certain, MemberQuarantined, "backend that is not a Service",
        "A load balancer routes to Services; a backend.resource names something else.",
        "name a Service under backend.service",
        accepts: "{}",
        refuses: "spec: {rules: [{http: {paths: [{path: /, pathType: Prefix, backend: {resource: {kind: Bucket, name: b}}}]}}]}";
    InvalidValue = "ALB011", Static, certain, MemberQuarantined, "value that cannot be read",
        "The value does not have the format of the annotation.",
        "correct the value",
        accepts: "annotations: {'{p}healthcheck-interval-seconds': '15'}",
        refuses: "annotations: {'{p}healthcheck-interval-seconds': 15s}";
    InvalidAction = "ALB012", Static, certain, MemberQuarantined, "action that cannot be used",
        "actions.NAME holds one JSON object: a redirect, a fixed-response or a forward.",
        "write a JSON object with type redirect, fixed-response or forward and its settings",
        accepts: "annotations: {'{p}actions.app': '{\"type\": \"fixed-response\", \"fixedResponseConfig\": {\"contentType\": \"text/plain\", \"statusCode\": \"200\"}}'}",
        refuses: "annotations: {'{p}actions.app': '{\"type\": \"fixed-response\"}'}";
    InvalidCondition = "ALB013", Static, certain, MemberQuarantined, "condition that cannot be used",
        "conditions.NAME holds a JSON list; each condition has a field and the settings of this field.",
        "give the condition its field and at least one value",
        accepts: "annotations: {'{p}conditions.app': '[{\"field\": \"source-ip\", \"sourceIpConfig\": {\"values\": [\"10.0.0.0/8\"]}}]'}",
        refuses: "annotations: {'{p}conditions.app': '[{\"field\": \"source-ip\", \"sourceIpConfig\": {\"values\": []}}]'}";
    InvalidTransform = "ALB014", Static, certain, MemberQuarantined, "transform that cannot be used",
        "transforms.NAME holds a JSON list of url-rewrite and host-header-rewrite objects with their rewrites.",
        "give each transform its type and at least one rewrite",
        accepts: "annotations: {'{p}transforms.app': '[{\"type\": \"url-rewrite\", \"urlRewriteConfig\": {\"rewrites\": [{\"regex\": \"^/a\", \"replace\": \"/\"}]}}]'}",
        refuses: "annotations: {'{p}transforms.app': '[{\"type\": \"rewrite\"}]'}";
    InvalidAuthentication = "ALB015", Static, certain, MemberQuarantined, "authentication that cannot be used",
        "auth-type is none, oidc or cognito; the latter two need the JSON object of their identity provider.",
        "write auth-type none, oidc or cognito, with auth-idp-oidc or auth-idp-cognito beside it",
        accepts: "annotations: {'{p}auth-type': none}",
        refuses: "annotations: {'{p}auth-type': basic}";
    InvalidCidr = "ALB016", Static, certain, MemberQuarantined, "not a block of addresses",
        "Allowed addresses are written as CIDR blocks, 203.0.113.0/24; a single address is a /32.",
        "write addresses as CIDR blocks: 203.0.113.0/24, or 203.0.113.7/32 for one address",
        accepts: "annotations: {'{p}inbound-cidrs': '10.0.0.0/8'}",
        refuses: "annotations: {'{p}inbound-cidrs': '10.0.0.1'}";
    InvalidName = "ALB017", Static, certain, MemberQuarantined, "not a load balancer's name",
        "A load balancer's name has at most 32 letters, digits and hyphens.",
        "use at most 32 letters, digits and hyphens, no hyphen at either end, not beginning with internal-",
        accepts: "annotations: {'{p}load-balancer-name': shop}",
        refuses: "annotations: {'{p}load-balancer-name': a-name-that-is-longer-than-thirty-two}";
    InvalidSslRedirect = "ALB018", Static, certain, MemberQuarantined, "redirect to a port that has no TLS",
        "ssl-redirect names the HTTPS port that every HTTP listener redirects to; the group must have an HTTPS listener on this port.",
        "name a port that listen-ports opens for HTTPS",
        accepts: "annotations: {'{p}certificate-arn': 'arn:aws:acm:eu-central-1:123456789012:certificate/0d1b6a9c-1234-4f5e-9abc-0123456789ab', '{p}listen-ports': '[{\"HTTP\": 80}, {\"HTTPS\": 443}]', '{p}ssl-redirect': '443'}",
        refuses: "annotations: {'{p}listen-ports': '[{\"HTTP\": 80}]', '{p}ssl-redirect': '443'}";
    MissingAction = "ALB019", Static, certain, Nothing, "action that is not written",
        "A backend with port name use-annotation needs an action in actions.NAME; without it the answer to requests is 503.",
        "write the annotation actions.NAME, or name a port of the Service",
        accepts: "annotations: {'{p}actions.deny': '{\"type\": \"fixed-response\", \"fixedResponseConfig\": {\"statusCode\": \"403\"}}'}\nspec: {rules: [{http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: deny, port: {name: use-annotation}}}}]}}]}",
        refuses: "spec: {rules: [{http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: deny, port: {name: use-annotation}}}}]}}]}";
    NotYetProvisioned = "ALB020", Static, certain, Nothing, "not provisioned by this version",
        "The annotation is known, but has no effect in this version: Albedo does not request certificates from ACM.",
        "have ACM issue the certificate and name it in certificate-arn, or leave it to be discovered",
        accepts: "annotations: {'{p}create-acm-cert': 'false'}",
        refuses: "annotations: {'{p}create-acm-cert': 'true'}";
    InvalidTags = "ALB021", Static, certain, MemberQuarantined, "tags that cannot be set",
        "Tags are key=value pairs; other tools manage the keys in --external-managed-tags.",
        "write key=value pairs, separated by commas",
        accepts: "annotations: {'{p}tags': 'team=shop,stage=dev'}",
        refuses: "annotations: {'{p}tags': 'team'}";
    InvalidHealthCheck = "ALB022", Static, certain, MemberQuarantined, "health check that AWS refuses",
        "Intervals are 5 to 300 s, timeouts 2 to 120 s, thresholds 2 to 10.",
        "stay inside the ranges: interval 5-300 s, timeout 2-120 s, thresholds 2-10",
        accepts: "annotations: {'{p}healthy-threshold-count': '3'}",
        refuses: "annotations: {'{p}healthy-threshold-count': '1'}";
    ConflictingAuthentication = "ALB023", Static, certain, MemberQuarantined, "two ways of authentication",
        "A rule either authenticates by OIDC or Cognito, or validates a JSON web token, but not both.",
        "keep auth-type or jwt-validation, not both",
        accepts: "annotations: {'{p}jwt-validation': '{\"jwksEndpoint\": \"https://id.example.com/jwks\", \"issuer\": \"https://id.example.com\"}'}",
        refuses: "annotations: {'{p}certificate-arn': 'arn:aws:acm:eu-central-1:123456789012:certificate/0d1b6a9c-1234-4f5e-9abc-0123456789ab', '{p}auth-type': cognito, '{p}auth-idp-cognito': '{\"userPoolARN\": \"arn:aws:cognito-idp:eu-central-1:123456789012:userpool/eu-central-1_x\", \"userPoolClientID\": \"c\", \"userPoolDomain\": \"d\"}', '{p}jwt-validation': '{\"jwksEndpoint\": \"https://id.example.com/jwks\", \"issuer\": \"https://id.example.com\"}'}";
    InvalidFrontendNlb = "ALB024", Static, certain, MemberQuarantined, "frontend NLB that cannot be made as asked",
        "An NLB forwards to existing listeners and is ipv4 or dualstack. An internet-facing one can have elastic addresses, one for each subnet.",
        "correct the frontend-nlb annotation",
        accepts: "annotations: {'{p}enable-frontend-nlb': 'true', '{p}frontend-nlb-scheme': internet-facing, '{p}frontend-nlb-eip-allocations': 'eipalloc-0a11, eipalloc-0b22', '{p}frontend-nlb-listener-port-mapping': 8080=80}",
        refuses: "annotations: {'{p}enable-frontend-nlb': 'true', '{p}frontend-nlb-scheme': internal, '{p}frontend-nlb-eip-allocations': 'eipalloc-0a11, eipalloc-0b22'}";
    InvalidAttribute = "ALB025", Static, certain, MemberQuarantined, "attribute that AWS does not take",
        "Load balancers, target groups and listeners have different attributes, each with its own values; AWS refuses others. The operator can allow an attribute that is newer than this version with --extra-attributes.",
        "write an attribute and a value from the table of the annotation in docs/annotations.md",
        accepts: "annotations: {'{p}load-balancer-attributes': 'idle_timeout.timeout_seconds=600'}",
        refuses: "annotations: {'{p}load-balancer-attributes': 'idle_timeout.timeout_seconds=86400'}";
    UnfamiliarValue = "ALB026", Static, absence, Nothing, "value that this version does not know",
        "AWS adds TLS policies and fields that this version of Albedo does not know. Such a value is sent to AWS unchanged, and AWS decides.",
        "check the spelling, or go on if it is newer than this version of Albedo",
        accepts: "annotations: {'{p}customer-owned-ipv4-pool': ipv4pool-coip-0a1b2c3d}",
        refuses: "annotations: {'{p}customer-owned-ipv4-pool': coip-0a1b2c3d}";
    InvalidArn = "ALB027", Static, certain, MemberQuarantined, "not an ARN of the kind that belongs there",
        "An ARN names partition, service, region, account and resource; each annotation accepts ARNs of one service.",
        "copy the ARN from the service's console",
        accepts: "{}",
        refuses: "annotations: {'{p}acm-pca-arn': 'arn:aws:acm:eu-central-1:123456789012:certificate/0d1b6a9c-1234-4f5e-9abc-0123456789ab'}";
    InvalidSslPolicy = "ALB028", Static, certain, MemberQuarantined, "not a TLS policy",
        "HTTPS listeners use predefined TLS policies, whose names begin with ELBSecurityPolicy-; custom policies do not exist.",
        "name a policy, such as ELBSecurityPolicy-TLS13-1-2-Res-2021-06",
        accepts: "annotations: {'{p}certificate-arn': 'arn:aws:acm:eu-central-1:123456789012:certificate/0d1b6a9c-1234-4f5e-9abc-0123456789ab', '{p}ssl-policy': ELBSecurityPolicy-TLS13-1-2-Res-2021-06}",
        refuses: "annotations: {'{p}certificate-arn': 'arn:aws:acm:eu-central-1:123456789012:certificate/0d1b6a9c-1234-4f5e-9abc-0123456789ab', '{p}ssl-policy': TLS-1-2}";
    InvalidMutualAuthentication = "ALB029", Static, certain, MemberQuarantined, "mutual authentication that cannot be set",
        "mutual-authentication is a JSON list with an object for each HTTPS port: its mode is off, passthrough, or verify with a trust store.",
        "write for example [{\"port\": 443, \"mode\": \"verify\", \"trustStore\": \"arn:aws:elasticloadbalancing:…\"}]",
        accepts: "annotations: {'{p}mutual-authentication': '[{\"port\": 443, \"mode\": \"passthrough\"}]'}",
        refuses: "annotations: {'{p}mutual-authentication': '{\"port\": 443, \"mode\": \"passthrough\"}'}";
    InvalidJwtValidation = "ALB030", Static, certain, MemberQuarantined, "JSON web token validation that cannot be set",
        "jwt-validation is a JSON object with the HTTPS endpoint of the issuer's keys (jwksEndpoint), the issuer, and optionally additionalClaims.",
        "write for example {\"jwksEndpoint\": \"https://id.example.com/jwks.json\", \"issuer\": \"https://id.example.com\"}",
        accepts: "annotations: {'{p}jwt-validation': '{\"jwksEndpoint\": \"https://id.example.com/jwks\", \"issuer\": \"https://id.example.com\"}'}",
        refuses: "annotations: {'{p}jwt-validation': '{\"jwksUri\": \"https://id.example.com/jwks\", \"issuer\": \"https://id.example.com\"}'}";
    RuleTooLarge = "ALB031", Static, certain, MemberQuarantined, "rule that AWS refuses for its size",
        "A rule has at most five values in all its conditions together, and one condition each on host, path, method and source; a Prefix path is two values.",
        "split the rule: fewer hosts, paths or values for each backend",
        accepts: "annotations: {'{p}conditions.app': '[{\"field\": \"source-ip\", \"sourceIpConfig\": {\"values\": [\"10.0.0.0/8\", \"10.1.0.0/16\", \"10.2.0.0/16\", \"10.3.0.0/16\"]}}]'}",
        refuses: "annotations: {'{p}conditions.app': '[{\"field\": \"source-ip\", \"sourceIpConfig\": {\"values\": [\"10.0.0.0/8\", \"10.1.0.0/16\", \"10.2.0.0/16\", \"10.3.0.0/16\", \"10.4.0.0/16\"]}}]'}";
    InvalidParameters = "ALB032", Static, certain, MemberQuarantined, "class parameters that cannot be used",
        "An IngressClassParams object applies to every Ingress of its classes, and this field of it cannot be used.",
        "correct the field of the IngressClassParams object",
        accepts: "{}",
        refuses: "objects: [{apiVersion: networking.k8s.io/v1, kind: IngressClass, metadata: {name: own}, spec: {controller: ingress.k8s.aws/alb, parameters: {apiGroup: elbv2.k8s.aws, kind: IngressClassParams, name: own}}}, {apiVersion: elbv2.k8s.aws/v1beta1, kind: IngressClassParams, metadata: {name: own}, spec: {inboundCIDRs: [10.0.0.1]}}]\nspec: {ingressClassName: own}";
    WithoutEffect = "ALB033", Static, absence, Nothing, "annotation without effect",
        "The annotation is valid, but nothing in this Ingress uses it: for example an action that no rule names, or authentication on listeners without TLS.",
        "remove it, or write what makes it count",
        accepts: "annotations: {'{p}actions.deny': '{\"type\": \"fixed-response\", \"fixedResponseConfig\": {\"statusCode\": \"403\"}}'}\nspec: {rules: [{http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: deny, port: {name: use-annotation}}}}]}}]}",
        refuses: "annotations: {'{p}actions.deny': '{\"type\": \"fixed-response\", \"fixedResponseConfig\": {\"statusCode\": \"403\"}}'}";
    ForbiddenAnnotation = "ALB034", Static, certain, Nothing, "annotation that the operator forbids",
        "The operator forbids new uses of this annotation (--disable-ingress-class-annotation, --disable-ingress-group-name-annotation); Ingresses that have it already continue to work.",
        "name a class in spec.ingressClassName, and let the class's IngressClassParams name the group",
        accepts: "flags: [--disable-ingress-group-name-annotation]\nannotations: {'{p}group.name': shop}\nbefore: {annotations: {'{p}group.name': shop, '{p}scheme': internal}}",
        refuses: "flags: [--disable-ingress-group-name-annotation]\nannotations: {'{p}group.name': shop}";
    InvalidHost = "ALB035", Static, certain, Nothing, "host that AWS refuses",
        "The host of a rule has letters, digits, hyphens, underscores, dots and the wildcards * and ?. It has at least one dot, and only letters after the last one.",
        "write the full name of the host, without protocol and port",
        accepts: "spec: {rules: [{host: '*.example.com', http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: app, port: {number: 80}}}}]}}]}",
        refuses: "spec: {rules: [{host: app, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: app, port: {number: 80}}}}]}}]}";
    AddressesOfInternal = "ALB036", Static, certain, MemberQuarantined, "addresses that an internal load balancer does not have",
        "Only an internet-facing load balancer has public addresses. So dualstack-without-public-ipv4 and an IPAM pool for them need this scheme, and AWS refuses them for an internal one.",
        "set scheme: internet-facing, or remove the annotation",
        accepts: "annotations: {'{p}scheme': internet-facing, '{p}ipam-ipv4-pool-id': ipam-pool-0a1b2c3d4e5f60718}",
        refuses: "annotations: {'{p}scheme': internal, '{p}ipam-ipv4-pool-id': ipam-pool-0a1b2c3d4e5f60718}";
    InvalidBinding = "ALB040", Static, certain, Nothing, "binding that cannot be used",
        "A TargetGroupBinding registers pods or nodes as targets of a target group; with this value of the field it cannot register any.",
        "correct the field of the TargetGroupBinding",
        accepts: "binding: {targetGroupName: web}",
        refuses: "binding: {targetType: ip}";
    ImmutableBinding = "ALB041", Static, certain, Nothing, "field of a binding that may not change",
        "The registered targets belong to the former value. Another value needs another binding.",
        "delete the TargetGroupBinding and create it anew",
        accepts: "before: {targetGroupName: web, targetType: ip}\nbinding: {targetGroupName: web, targetType: ip}",
        refuses: "before: {targetGroupName: web, targetType: ip}\nbinding: {targetGroupName: web, targetType: instance}";
    OversizedIngress = "ALB047", Static, certain, MemberQuarantined, "Ingress that is too large",
        "A load balancer cannot have so many rules. An Ingress above these limits is not compiled: it would use memory and time that other reviews need.",
        "split the Ingress into several, each with fewer paths",
        accepts: "{}",
        refuses: "paths: 2001 # its path, so many times";
    InvalidPolicy = "ALB048", Static, certain, Nothing, "default or policy that cannot be used",
        "IngressDefaults and IngressPolicy objects name settings by the keys of their annotations, with values that the settings can have. What cannot be used has no effect.",
        "correct the field; `albedo explain` lists all settings",
        accepts: "configuration: {kind: IngressDefaults, spec: {settings: {scheme: internal}}}",
        refuses: "configuration: {kind: IngressDefaults, spec: {settings: {schema: internal}}}";
    MissingService = "ALB101", Cluster, absence, Nothing, "Service that does not exist",
        "While the Service does not exist, the answer to requests is 503.",
        "create the Service, or correct its name",
        accepts: "{}",
        refuses: "spec: {rules: [{http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: ap, port: {number: 80}}}}]}}]}";
    MissingServicePort = "ALB102", Cluster, certain, MemberQuarantined, "port that the Service does not have",
        "The Service exists, but has no port of that number or name.",
        "name a port of the Service",
        accepts: "{}",
        refuses: "spec: {rules: [{http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: app, port: {number: 81}}}}]}}]}";
    ServiceTypeMismatch = "ALB103", Cluster, certain, MemberQuarantined, "Service type that does not fit the target type",
        "Target type instance reaches pods through a NodePort, which a ClusterIP Service does not have.",
        "set target-type: ip, or make the Service NodePort",
        accepts: "annotations: {'{p}target-type': ip}\nobjects: [{apiVersion: v1, kind: Service, metadata: {name: inner}, spec: {type: ClusterIP, ports: [{port: 80, targetPort: 8080}]}}]\nspec: {rules: [{http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: inner, port: {number: 80}}}}]}}]}",
        refuses: "annotations: {'{p}target-type': instance}\nobjects: [{apiVersion: v1, kind: Service, metadata: {name: inner}, spec: {type: ClusterIP, ports: [{port: 80, targetPort: 8080}]}}]\nspec: {rules: [{http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: inner, port: {number: 80}}}}]}}]}";
    MissingClass = "ALB104", Cluster, absence, MemberQuarantined, "class that cannot be used",
        "It is unknown which controller an Ingress belongs to while its class or the parameters of the class do not exist or conflict with it.",
        "create the IngressClass and its IngressClassParams, or correct ingressClassName",
        accepts: "{}",
        refuses: "spec: {ingressClassName: albb}";
    GroupConflict = "ALB105", Cluster, certain, MemberQuarantined, "value that conflicts with the group",
        "All members of a group share one load balancer, so their values for it must be the same.",
        "write the value that the others have, or leave it out, or use a group of its own",
        accepts: "annotations: {'{p}group.name': g, '{p}scheme': internal}\nsiblings: [{'{p}group.name': g, '{p}scheme': internal}]",
        refuses: "annotations: {'{p}group.name': g, '{p}scheme': internal}\nsiblings: [{'{p}group.name': g, '{p}scheme': internet-facing}]";
    ListenerConflict = "ALB106", Cluster, certain, MemberQuarantined, "value that conflicts with a listener of the group",
        "Members that listen on one port share the listener: protocol, TLS policy and sources must be the same.",
        "write the value that the others have on this port, or listen on another port",
        accepts: "annotations: {'{p}group.name': g, '{p}inbound-cidrs': 10.0.0.0/8}\nsiblings: [{'{p}group.name': g}]",
        refuses: "annotations: {'{p}group.name': g, '{p}inbound-cidrs': 10.0.0.0/8}\nsiblings: [{'{p}group.name': g, '{p}inbound-cidrs': 192.168.0.0/16}]";
    MissingSecret = "ALB107", Cluster, absence, MemberQuarantined, "Secret that does not exist or lacks a key",
        "OIDC needs a Secret with clientID and clientSecret. This Ingress waits for it; the rest of its group is updated.",
        "create the Secret with the keys clientID and clientSecret in the Ingress's namespace",
        accepts: "{}",
        refuses: "annotations: {'{p}certificate-arn': 'arn:aws:acm:eu-central-1:123456789012:certificate/0d1b6a9c-1234-4f5e-9abc-0123456789ab', '{p}auth-type': oidc, '{p}auth-idp-oidc': '{\"issuer\": \"https://id.example.com\", \"authorizationEndpoint\": \"https://id.example.com/a\", \"tokenEndpoint\": \"https://id.example.com/t\", \"userInfoEndpoint\": \"https://id.example.com/u\", \"secretName\": \"none\"}'}";
    NotOurs = "ALB108", Cluster, absence, Nothing, "annotations on an Ingress that is not ours",
        "The Ingress has annotations with our prefix, but its class belongs to another controller, so they have no effect.",
        "set ingressClassName to a class of ours, or remove the annotations",
        accepts: "{}",
        refuses: "annotations: {'{p}scheme': internal}\nobjects: [{apiVersion: networking.k8s.io/v1, kind: IngressClass, metadata: {name: other}, spec: {controller: example.com/other}}]\nspec: {ingressClassName: other}";
    UnusableClass = "ALB109", Cluster, certain, MemberQuarantined, "class that conflicts with the Ingress",
        "The parameters of the class have another kind or select other namespaces, or several classes are the default.",
        "use a class that is meant for this namespace",
        accepts: "{}",
        refuses: "objects: [{apiVersion: networking.k8s.io/v1, kind: IngressClass, metadata: {name: odd}, spec: {controller: ingress.k8s.aws/alb, parameters: {apiGroup: example.com, kind: Other, name: x}}}]\nspec: {ingressClassName: odd}";
    UnreachedRule = "ALB110", Cluster, absence, Nothing, "rule that no request reaches",
        "Rules are tried in order. If earlier rules match all requests of a rule, the rule is never used.",
        "put the narrower path first (Exact, or a longer Prefix), give its Ingress a lower group.order, or remove it",
        accepts: "spec: {rules: [{http: {paths: [{path: /a, pathType: Prefix, backend: {service: {name: app, port: {number: 80}}}}, {path: /, pathType: Prefix, backend: {service: {name: app, port: {number: 80}}}}]}}]}",
        refuses: "spec: {rules: [{http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: app, port: {number: 80}}}}]}}, {http: {paths: [{path: /a, pathType: Prefix, backend: {service: {name: app, port: {number: 80}}}}]}}]}";
    FrontendNlbOff = "ALB111", Cluster, absence, Nothing, "settings of a frontend NLB that nobody asks for",
        "The frontend-nlb annotations have an effect only if a member of the group has enable-frontend-nlb: \"true\".",
        "set enable-frontend-nlb: \"true\", or remove the annotation",
        accepts: "annotations: {'{p}enable-frontend-nlb': 'true', '{p}frontend-nlb-scheme': internal}",
        refuses: "annotations: {'{p}frontend-nlb-scheme': internal}";
    Overridden = "ALB112", Cluster, absence, Nothing, "annotation that the class overrides",
        "The parameters of the class have the same setting, and override the annotation.",
        "remove the annotation, or use a class that leaves this open",
        accepts: "annotations: {'{p}scheme': internal}",
        refuses: "objects: [{apiVersion: networking.k8s.io/v1, kind: IngressClass, metadata: {name: own}, spec: {controller: ingress.k8s.aws/alb, parameters: {apiGroup: elbv2.k8s.aws, kind: IngressClassParams, name: own}}}, {apiVersion: elbv2.k8s.aws/v1beta1, kind: IngressClassParams, metadata: {name: own}, spec: {scheme: internet-facing}}]\nspec: {ingressClassName: own}\nannotations: {'{p}scheme': internal}";
    TakesRequests = "ALB113", Cluster, absence, Nothing, "takes requests of another namespace",
        "The rules of a group are tried in the order of its members: if two match a request, the first one gets it. The member that loses requests gets an event; a namespace with the label albedo.dev/takeover=forbid refuses the Ingress that takes them.",
        "give the Ingress a higher group.order, narrower hosts or paths, or a group of its own, unless this is agreed upon",
        accepts: "annotations: {'{p}group.name': g}\nobjects: [{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: shop, namespace: other, annotations: {'{p}group.name': g}}, spec: {ingressClassName: alb, rules: [{host: a.example.com, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: app, port: {number: 80}}}}]}}]}}]\nspec: {rules: [{host: b.example.com, http: {paths: [{path: /login, pathType: Prefix, backend: {service: {name: app, port: {number: 80}}}}]}}]}",
        refuses: "annotations: {'{p}group.name': g, '{p}group.order': '-1000'}\nobjects: [{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: shop, namespace: other, annotations: {'{p}group.name': g}}, spec: {ingressClassName: alb, rules: [{host: a.example.com, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: app, port: {number: 80}}}}]}}]}}]\nspec: {rules: [{host: a.example.com, http: {paths: [{path: /login, pathType: Prefix, backend: {service: {name: app, port: {number: 80}}}}]}}]}";
    NotRemembered = "ALB114", Cluster, absence, Nothing, "Ingress that is too large to be remembered",
        "The ledger of a group records the last good input of each Ingress, up to 192 KiB each and 768 KiB in all. A larger Ingress is provisioned like any other. But if an edit cannot be used, there is no last good input: what AWS holds of the Ingress stays, and its edits wait.",
        "split the Ingress into several, each with fewer paths or shorter annotations",
        accepts: "{}",
        refuses: "paths: 2000 # its path, so many times";
    PolicyViolated = "ALB115", Cluster, certain, Nothing, "value that a policy does not allow",
        "An IngressPolicy of the platform team says which values Ingresses of this namespace and class may have. The value that is in effect counts, wherever it comes from.",
        "use a value that the policy allows, or have the IngressPolicy changed",
        accepts: "annotations: {'{p}scheme': internal}\nobjects: [{apiVersion: albedo.dev/v1alpha1, kind: IngressPolicy, metadata: {name: private}, spec: {settings: {scheme: {allowed: [internal]}}}}]",
        refuses: "annotations: {'{p}scheme': internet-facing}\nobjects: [{apiVersion: albedo.dev/v1alpha1, kind: IngressPolicy, metadata: {name: private}, spec: {settings: {scheme: {allowed: [internal]}}}}]";
    NameInUse = "ALB116", Cluster, certain, Nothing, "name of another load balancer",
        "Names of load balancers are unique in an account and region. If two groups give theirs one name, AWS refuses the second one, or both change the same load balancer.",
        "write another load-balancer-name, leave it out, or put the Ingresses into one group",
        accepts: "annotations: {'{p}load-balancer-name': two}\nobjects: [{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: first, namespace: shop, annotations: {'{p}load-balancer-name': one}}, spec: {ingressClassName: alb, defaultBackend: {service: {name: app, port: {number: 80}}}}}]",
        refuses: "annotations: {'{p}load-balancer-name': one}\nobjects: [{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: first, namespace: shop, annotations: {'{p}load-balancer-name': one}}, spec: {ingressClassName: alb, defaultBackend: {service: {name: app, port: {number: 80}}}}}]";
    ProtocolVersionNeedsHttps = "ALB117", Cluster, certain, Nothing, "protocol version that needs HTTPS",
        "AWS refuses a target group of version HTTP2 or GRPC behind an HTTP listener: Listener protocol 'HTTP' is not supported with a target group with the protocol-version 'HTTP2'.",
        "listen on HTTPS alone, set ssl-redirect, or remove backend-protocol-version",
        accepts: "annotations: {'{p}backend-protocol-version': HTTP2, '{p}certificate-arn': 'arn:aws:acm:eu-central-1:123456789012:certificate/0d1b6a9c-1234-4f5e-9abc-0123456789ab'}",
        refuses: "annotations: {'{p}backend-protocol-version': HTTP2}";
    BreaksOthers = "ALB118", Cluster, certain, Nothing, "change that breaks Ingresses",
        "Ingresses that are stored depend on the object, and cannot be built with the change. AWS keeps what it has of them until they are edited.",
        "change these Ingresses first, or give them another class",
        accepts: "configuration: {kind: IngressClassParams, spec: {subnets: {ids: [subnet-0a11, subnet-0b22]}}}\nobjects: [{apiVersion: networking.k8s.io/v1, kind: IngressClass, metadata: {name: own}, spec: {controller: ingress.k8s.aws/alb, parameters: {apiGroup: elbv2.k8s.aws, kind: IngressClassParams, name: web}}}, {apiVersion: elbv2.k8s.aws/v1beta1, kind: IngressClassParams, metadata: {name: web}, spec: {}}, {apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: first, namespace: shop}, spec: {ingressClassName: own, defaultBackend: {service: {name: app, port: {number: 80}}}}}]",
        refuses: "configuration: {kind: IngressClassParams, spec: {subnets: {ids: [subnet-0a11, subnet-0a12]}}}\nobjects: [{apiVersion: networking.k8s.io/v1, kind: IngressClass, metadata: {name: own}, spec: {controller: ingress.k8s.aws/alb, parameters: {apiGroup: elbv2.k8s.aws, kind: IngressClassParams, name: web}}}, {apiVersion: elbv2.k8s.aws/v1beta1, kind: IngressClassParams, metadata: {name: web}, spec: {}}, {apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: first, namespace: shop}, spec: {ingressClassName: own, defaultBackend: {service: {name: app, port: {number: 80}}}}}]";
    MovesOthers = "ALB119", Cluster, certain, Nothing, "change that gives Ingresses another load balancer",
        "The change replaces the load balancer of Ingresses that are stored, or moves them to another one. Their DNS name changes.",
        "annotate the object with albedo.dev/allow-replacement: \"true\" if this is meant",
        accepts: "configuration: {kind: IngressClassParams, metadata: {annotations: {albedo.dev/allow-replacement: 'true'}}, spec: {tags: [{key: team, value: web}]}}\nobjects: [{apiVersion: networking.k8s.io/v1, kind: IngressClass, metadata: {name: own}, spec: {controller: ingress.k8s.aws/alb, parameters: {apiGroup: elbv2.k8s.aws, kind: IngressClassParams, name: web}}}, {apiVersion: elbv2.k8s.aws/v1beta1, kind: IngressClassParams, metadata: {name: web}, spec: {}}, {apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: first, namespace: shop}, spec: {ingressClassName: own, defaultBackend: {service: {name: app, port: {number: 80}}}}}]",
        refuses: "configuration: {kind: IngressClassParams, spec: {scheme: internet-facing}}\nobjects: [{apiVersion: networking.k8s.io/v1, kind: IngressClass, metadata: {name: own}, spec: {controller: ingress.k8s.aws/alb, parameters: {apiGroup: elbv2.k8s.aws, kind: IngressClassParams, name: web}}}, {apiVersion: elbv2.k8s.aws/v1beta1, kind: IngressClassParams, metadata: {name: web}, spec: {}}, {apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: first, namespace: shop}, spec: {ingressClassName: own, defaultBackend: {service: {name: app, port: {number: 80}}}}}]";
    TargetGroupBound = "ALB120", Cluster, certain, Nothing, "target group that is bound already",
        "Two bindings of one target group would deregister each other's targets. Only the older one is used.",
        "bind a target group of your own, or delete the other TargetGroupBinding",
        accepts: "binding: {targetGroupName: web}\nobjects: [{apiVersion: elbv2.k8s.aws/v1beta1, kind: TargetGroupBinding, metadata: {name: first, namespace: shop}, spec: {targetGroupName: other, serviceRef: {name: app, port: 80}}}]",
        refuses: "binding: {targetGroupName: web}\nobjects: [{apiVersion: elbv2.k8s.aws/v1beta1, kind: TargetGroupBinding, metadata: {name: first, namespace: other}, spec: {targetGroupName: web, serviceRef: {name: app, port: 80}}}]";
    BindingConflictsWithTargetGroup = "ALB121", Cluster, certain, Nothing, "binding that conflicts with its target group",
        "The target group in AWS has another value than the binding. It cannot change, and AWS would refuse the targets.",
        "write what the target group has, or leave the field out",
        accepts: "binding: {targetGroupARN: 'arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/legacy/1', targetType: ip}",
        refuses: "binding: {targetGroupARN: 'arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/legacy/1', targetType: instance}";
    QuotaNear = "ALB132", Cluster, absence, Nothing, "quota that is nearly used up",
        "AWS limits the rules, certificates and target groups of a load balancer, and refuses more.",
        "use another group.name, or have AWS raise the quota before it is used up",
        accepts: "{}",
        refuses: "annotations: {'{p}listen-ports': '[{\"HTTP\": 1}, {\"HTTP\": 2}, {\"HTTP\": 3}]'}";
    SubnetsNotFound = "ALB201", Aws, certain, MemberQuarantined, "subnets that do not exist",
        "The named subnets do not exist in this account and region, or no subnet of the VPC has that Name tag.",
        "correct the ids or names, or leave the annotation out to have subnets discovered",
        accepts: "annotations: {'{p}subnets': 'subnet-0a11, subnet-0b22'}",
        refuses: "annotations: {'{p}subnets': 'subnet-0a11, subnet-0fff'}";
    SubnetsUnusable = "ALB202", Aws, certain, MemberQuarantined, "subnets that do not go together",
        "A load balancer needs one subnet in each of at least two zones of the same kind, with IPv6 blocks for dualstack.",
        "name one subnet in each of at least two availability zones",
        accepts: "annotations: {'{p}subnets': 'subnet-0a11, subnet-0b22'}",
        refuses: "annotations: {'{p}subnets': 'subnet-0a11, subnet-0a12'}";
    NoSubnets = "ALB203", Aws, certain, GroupBlocked, "no subnets can be discovered",
        "Without the annotation, subnets are discovered by the tags kubernetes.io/role/elb and kubernetes.io/role/internal-elb, or by their routes.",
        "tag subnets in two zones with kubernetes.io/role/elb=1 (internet-facing) or kubernetes.io/role/internal-elb=1 (internal)",
        accepts: "{}",
        refuses: "annotations: {'{p}ip-address-type': dualstack}";
    CertificateNotFound = "ALB204", Aws, certain, MemberQuarantined, "certificate that does not exist",
        "An HTTPS Ingress uses the certificates of certificate-arn, or without it the issued ACM certificates for its hosts. A certificate has to be issued, in this account and region.",
        "have ACM issue a certificate for the host, or name one in certificate-arn",
        accepts: "annotations: {'{p}listen-ports': '[{\"HTTPS\": 443}]'}\nspec: {tls: [{hosts: [www.example.com]}]}",
        refuses: "annotations: {'{p}listen-ports': '[{\"HTTPS\": 443}]'}\nspec: {tls: [{hosts: [nobody.example.org]}]}";
    CertificateElsewhere = "ALB205", Aws, certain, Nothing, "certificate of another region",
        "A listener accepts only certificates of its own region.",
        "use a certificate of the load balancer's region",
        accepts: "annotations: {'{p}certificate-arn': 'arn:aws:acm:eu-central-1:123456789012:certificate/0d1b6a9c-1234-4f5e-9abc-0123456789ab'}",
        refuses: "annotations: {'{p}certificate-arn': 'arn:aws:acm:us-east-1:123456789012:certificate/0d1b6a9c-1234-4f5e-9abc-0123456789ab'}";
    SecurityGroupNotFound = "ALB206", Aws, certain, MemberQuarantined, "security group that does not exist",
        "Security groups are named by id or by their Name tag, and one of them does not exist in the VPC.",
        "correct the id or name, or leave the annotation out to have one managed",
        accepts: "annotations: {'{p}security-groups': sg-0a11}",
        refuses: "annotations: {'{p}security-groups': sg-0fff}";
    WebAclNotFound = "ALB207", Aws, certain, MemberQuarantined, "web ACL that does not exist",
        "A load balancer accepts a regional WAFv2 web ACL of its own account and region, by name or ARN, and this one does not exist there.",
        "name a regional web ACL of this account and region, or none",
        accepts: "annotations: {'{p}wafv2-acl-name': web}",
        refuses: "annotations: {'{p}wafv2-acl-name': wbe}";
    TrustStoreNotFound = "ALB208", Aws, certain, MemberQuarantined, "trust store that does not exist",
        "mutual-authentication with mode verify checks client certificates against a trust store of this account and region, and none has this name.",
        "name a trust store that exists, or give its ARN",
        accepts: "annotations: {'{p}certificate-arn': 'arn:aws:acm:eu-central-1:123456789012:certificate/0d1b6a9c-1234-4f5e-9abc-0123456789ab', '{p}mutual-authentication': '[{\"port\": 443, \"mode\": \"verify\", \"trustStore\": \"clients\"}]'}",
        refuses: "annotations: {'{p}certificate-arn': 'arn:aws:acm:eu-central-1:123456789012:certificate/0d1b6a9c-1234-4f5e-9abc-0123456789ab', '{p}mutual-authentication': '[{\"port\": 443, \"mode\": \"verify\", \"trustStore\": \"client\"}]'}";
    TargetGroupNotFound = "ALB209", Aws, certain, MemberQuarantined, "target group that does not exist",
        "A forward can name an existing target group, but none in the account and region has this name.",
        "name a target group that exists, or give its ARN",
        accepts: "annotations: {'{p}actions.old': '{\"type\": \"forward\", \"targetGroupName\": \"legacy\"}'}\nspec: {rules: [{http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: old, port: {name: use-annotation}}}}]}}]}",
        refuses: "annotations: {'{p}actions.old': '{\"type\": \"forward\", \"targetGroupName\": \"legcay\"}'}\nspec: {rules: [{http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: old, port: {name: use-annotation}}}}]}}]}";
    ShieldNotSubscribed = "ALB210", Aws, absence, Nothing, "Shield Advanced without a subscription",
        "Shield Advanced needs a subscription of the account; without it the annotation has no effect.",
        "subscribe the account to Shield Advanced, or remove the annotation",
        accepts: "annotations: {'{p}shield-advanced-protection': 'false'}",
        refuses: "annotations: {'{p}shield-advanced-protection': 'true'}";
    PrefixListNotFound = "ALB211", Aws, certain, Nothing, "prefix list that does not exist",
        "The security group of the load balancer lets in the addresses of a prefix list, and this one does not exist in the account and region.",
        "correct the id, or have the prefix list shared with the account",
        accepts: "annotations: {'{p}security-group-prefix-lists': pl-0a11}",
        refuses: "annotations: {'{p}security-group-prefix-lists': pl-0fff}";
    ZonesWithoutSubnet = "ALB212", Aws, absence, Nothing, "zones in which no subnet can be used",
        "A load balancer gets one subnet in each zone. In some zones there are subnets with the right tags, and none of them can be used, so clients and targets there depend on other zones.",
        "correct what the message says of the subnets, or name the subnets in the annotation subnets",
        accepts: "subnets: [{id: subnet-0c33, zone: eu-central-1c, free: 100}]",
        refuses: "subnets: [{id: subnet-0c33, zone: eu-central-1c, free: 3}]";
    QuotaExceeded = "ALB231", Aws, certain, MemberQuarantined, "quota that is exceeded",
        "AWS limits the rules, certificates and target groups of a load balancer, and refuses more; the youngest member that needs more is left out.",
        "use another group.name, or have AWS raise the quota",
        accepts: "annotations: {'{p}listen-ports': '[{\"HTTP\": 1}, {\"HTTP\": 2}]'}",
        refuses: "annotations: {'{p}listen-ports': '[{\"HTTP\": 1}, {\"HTTP\": 2}, {\"HTTP\": 3}, {\"HTTP\": 4}]'}";
    ReplacesLoadBalancer = "ALB301", Consequence, certain, Nothing, "replaces the load balancer",
        "The change is not possible in place: the load balancer is deleted and another one is created, with another DNS name.",
        "set albedo.dev/allow-replacement: \"true\" on the Ingress if that is meant",
        accepts: "{}",
        refuses: "annotations: {'{p}scheme': internet-facing}\nbefore: {annotations: {'{p}scheme': internal}}";
    RemovesFrontendNlb = "ALB302", Consequence, certain, Nothing, "takes the frontend NLB away",
        "The frontend NLB is deleted, or replaced by one with another DNS name: clients that use its name or addresses lose the connection.",
        "set albedo.dev/allow-replacement: \"true\" on the Ingress if that is meant",
        accepts: "annotations: {'{p}enable-frontend-nlb': 'true'}\nbefore: {annotations: {}}",
        refuses: "annotations: {}\nbefore: {annotations: {'{p}enable-frontend-nlb': 'true'}}";
    MovesToAnother = "ALB303", Consequence, certain, Nothing, "moves to another load balancer",
        "Each group has its own load balancer, with its own DNS name: clients that use the old name no longer reach the Ingress.",
        "set albedo.dev/allow-replacement: \"true\" on the Ingress if that is meant",
        accepts: "annotations: {'{p}group.name': shop, '{p}group.order': '2'}\nbefore: {annotations: {'{p}group.name': shop}}",
        refuses: "annotations: {'{p}group.name': other}\nbefore: {annotations: {'{p}group.name': shop}}";
    KeepsItsName = "ALB304", Consequence, absence, Nothing, "a load balancer that keeps its name",
        "A load balancer cannot be renamed: another name has an effect only on a load balancer that is created later.",
        "leave the name as it is, or delete the Ingress and create it anew",
        accepts: "annotations: {'{p}load-balancer-name': shop, '{p}scheme': internal}\nbefore: {annotations: {'{p}load-balancer-name': shop}}",
        refuses: "annotations: {'{p}load-balancer-name': other}\nbefore: {annotations: {'{p}load-balancer-name': shop}}";
    RolloutsLoseRequests = "ALB305", Consequence, advice, Nothing, "rollouts that can lose requests",
        "When a Deployment replaces its Pods, Kubernetes ends old Pods as soon as new ones are ready, which the load balancer learns only later. With readiness gates a rollout waits until the new targets are healthy. They are added to Pods that are created in a namespace with the label.",
        "run `kubectl label namespace NAME elbv2.k8s.aws/pod-readiness-gate-inject=enabled`, and restart the Deployment once the Ingress is there; docs/rollouts.md says what else a rollout needs",
        accepts: "annotations: {'{p}target-type': ip}\nobjects: [{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {elbv2.k8s.aws/pod-readiness-gate-inject: enabled}}}]",
        refuses: "annotations: {'{p}target-type': ip}\nobjects: [{apiVersion: v1, kind: Namespace, metadata: {name: shop}}]";
}

impl Code {
    /// The code that is printed as `id`.
    #[must_use]
    pub fn parse(id: &str) -> Option<Self> {
        CODES.iter().find(|row| row.id.eq_ignore_ascii_case(id)).map(|row| row.code)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.row().id)
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stand_in_the_order_of_the_enum_and_ids_grow() {
        for (number, row) in CODES.iter().enumerate() {
            assert_eq!(row.code as usize, number, "{}", row.id);
        }
        assert!(CODES.is_sorted_by_key(|row| row.id));
    }
}
