//! Keys that belong to the load balancer as a whole.

use crate::annotation::attributes::Owner;
use crate::annotation::row::{Grammar, Merge, OnService, Scope, SettingRow, When, Wins};
use crate::annotation::setting::Setting;
use crate::annotation::value::{Subnets, Value};
use crate::finding::Code;
use crate::kinds::{Attribute, SubnetSelector};
use crate::stack::{Attachment, Attributes, IpAddressType, Scheme, Tags};
use Scope::{GroupExclusive, GroupMergeable, Ingress, Output};

settings! { GROUP_ROWS:
    GROUP_NAME: String = Setting::new(
        "group.name", Ingress, Grammar::GroupName, Merge::Own, "team-web",
        "Puts the Ingress into a group; all Ingresses of a group, in whatever namespace, share one ALB. At most 63 lower \
         case letters, digits, `-` and `.`. Without it an Ingress has an ALB of its own.",
    )
    .code(Code::InvalidGroupName)
    .also(&[Code::Overridden, Code::ForbiddenAnnotation, Code::MovesToAnother])
    .params("group.name", Wins::OverEach, |spec, _| spec.group.as_ref().map(|group| Value::Text(group.name.clone())))
    .when(When::Elsewhere);
    GROUP_ORDER: i32 = Setting::new(
        "group.order", Ingress, Grammar::Int32 { min: -1000, max: 1000 }, Merge::Own, "10",
        "Place among the group's members: rules of lower numbers are tried first, equal ones go by namespace/name.",
    )
    .code(Code::InvalidGroupOrder)
    .default("0");
    LOAD_BALANCER_NAME: String = Setting::new(
        "load-balancer-name", GroupExclusive, Grammar::LoadBalancerName, Merge::Same, "team-web",
        "The ALB's name, at most 32 letters, digits and hyphens. Only counts when the ALB is created; by default a name \
         is made from the group's or the Ingress'. See the ELBv2 API, CreateLoadBalancer.",
    )
    .code(Code::InvalidName)
    .also(&[Code::GroupConflict, Code::NameInUse, Code::Overridden, Code::KeepsItsName])
    .params("loadBalancerName", Wins::OverEach, |spec, _| text(spec.load_balancer_name.as_ref()))
    .strict();
    SCHEME: Scheme = Setting::new(
        "scheme", GroupExclusive, Grammar::OneOf(&["internal", "internet-facing"]), Merge::Same,
        "internet-facing",
        "Whether the ALB has public addresses. A change replaces the ALB and its DNS name. The flag \
         `--default-load-balancer-scheme` sets the default.",
    )
    .code(Code::InvalidScheme)
    .also(&[Code::GroupConflict, Code::NoSubnets, Code::ReplacesLoadBalancer, Code::Overridden])
    .default("internal")
    .flag(|settings| Value::Text(settings.default_scheme.to_string()))
    .params("scheme", Wins::OverEach, |spec, _| text(spec.scheme.as_ref()));
    IP_ADDRESS_TYPE: IpAddressType = Setting::new(
        "ip-address-type", GroupExclusive,
        Grammar::OneOf(&["ipv4", "dualstack", "dualstack-without-public-ipv4"]), Merge::Same, "dualstack",
        "The kinds of addresses that clients can use. Dualstack needs subnets with IPv6 ranges.",
    )
    .also(&[Code::GroupConflict, Code::NoSubnets, Code::AddressesOfInternal, Code::Overridden])
    .default("ipv4")
    .params("ipAddressType", Wins::OverEach, |spec, _| text(spec.ip_address_type.as_ref()));
    SUBNETS: Subnets = Setting::new(
        "subnets", GroupExclusive, Grammar::IdsOrNames("subnet-"), Merge::SameSet,
        "subnet-0a1b2c3d4e5f60718, public-b",
        "The ALB's subnets, by id or by the value of their Name tag, in at least two zones. By default they are found by \
         the role tags `kubernetes.io/role/elb` and `kubernetes.io/role/internal-elb`.",
    )
    .code(Code::InvalidSubnets)
    .also(&[Code::GroupConflict, Code::SubnetsNotFound, Code::SubnetsUnusable, Code::Overridden])
    .params("subnets", Wins::OverEach, |spec, _| spec.subnets.as_ref().map(subnets))
    .strict();
    SECURITY_GROUPS: Vec<String> = Setting::new(
        "security-groups", GroupExclusive, Grammar::IdsOrNames("sg-"), Merge::SameList, "sg-0a1b2c3d4e5f60718",
        "Security groups for the ALB, by id or by the value of their Name tag. By default one is made that lets clients \
         reach the listeners' ports; with this annotation `inbound-cidrs` has no effect.",
    )
    .also(&[Code::GroupConflict, Code::SecurityGroupNotFound])
    .strict();
    MANAGE_BACKEND_SECURITY_GROUP_RULES: bool = Setting::new(
        "manage-backend-security-group-rules", GroupExclusive, Grammar::Bool, Merge::Same, "true",
        "Whether nodes and pods are opened towards the ALB although `security-groups` is given. The flag \
         `--enable-manage-backend-security-group-rules` sets the default.",
    )
    .also(&[Code::GroupConflict])
    .default("false")
    .flag(|settings| Value::Bool(settings.manage_backend_security_group_rules))
    .when(When::OwnSecurityGroups);
    CUSTOMER_OWNED_IPV4_POOL: String = Setting::new(
        "customer-owned-ipv4-pool", GroupExclusive, Grammar::Id("ipv4pool-coip-"), Merge::Same,
        "ipv4pool-coip-0a1b2c3d4e5f60718",
        "Pool of customer-owned addresses on an Outpost. Only counts when the ALB is created.",
    )
    .also(&[Code::GroupConflict, Code::UnfamiliarValue]);
    IPAM_IPV4_POOL_ID: String = Setting::new(
        "ipam-ipv4-pool-id", GroupExclusive, Grammar::Id("ipam-pool-"), Merge::SameNonEmpty,
        "ipam-pool-0a1b2c3d4e5f60718",
        "IPAM pool from which an internet-facing ALB takes its public IPv4 addresses; an internal one has none.",
    )
    .also(&[Code::GroupConflict, Code::UnfamiliarValue, Code::AddressesOfInternal, Code::Overridden])
    .params("ipamConfiguration.ipv4IPAMPoolId", Wins::AsFirst, |spec, _| {
        text(spec.ipam_configuration.as_ref()?.ipv4_ipam_pool_id.as_ref())
    });
    LOAD_BALANCER_ATTRIBUTES: Attributes = Setting::new(
        "load-balancer-attributes", GroupMergeable, Grammar::Attributes(Owner::LoadBalancer), Merge::KeyUnion,
        "deletion_protection.enabled=true, idle_timeout.timeout_seconds=120",
        "Attributes of the ALB, named as in the ELBv2 API's LoadBalancerAttribute. Taking one away doesn't reset it in AWS.",
    )
    .code(Code::InvalidAttribute)
    .also(&[Code::GroupConflict, Code::UnfamiliarValue, Code::Overridden])
    .params("loadBalancerAttributes", Wins::ByKeyAsFirst, |spec, _| pairs(&spec.load_balancer_attributes));
    MINIMUM_LOAD_BALANCER_CAPACITY: i32 = Setting::new(
        "minimum-load-balancer-capacity", GroupMergeable, Grammar::Capacity, Merge::KeyUnion,
        "CapacityUnits=1000",
        "Capacity that AWS keeps ready, in load balancer capacity units; the only key is CapacityUnits, and 0 gives the \
         reservation back.",
    )
    .also(&[Code::GroupConflict, Code::Overridden])
    .params("minimumLoadBalancerCapacity.capacityUnits", Wins::AsFirst, |spec, _| {
        spec.minimum_load_balancer_capacity.as_ref().map(|capacity| Value::Int(capacity.capacity_units.into()))
    });
    WAFV2_ACL_ARN: Attachment = Setting::new(
        "wafv2-acl-arn", GroupExclusive, Grammar::WebAcl, Merge::Same,
        "arn:aws:wafv2:eu-west-1:123456789012:regional/webacl/web/2a4e6f80-1234-4abc-9def-0123456789ab",
        "Regional WAFv2 web ACL for the ALB. `none` takes an associated one away, absence leaves it alone.",
    )
    .code(Code::InvalidArn)
    .also(&[Code::WebAclNotFound, Code::GroupConflict, Code::Overridden])
    .params("wafv2AclArn", Wins::OverEach, |spec, _| text(spec.wafv2_acl_arn.as_ref()))
    .when(When::Without(&WAFV2_ACL_NAME.row, "the name wins over the ARN"));
    WAFV2_ACL_NAME: String = Setting::new(
        "wafv2-acl-name", GroupExclusive, Grammar::WebAclName, Merge::Same, "web",
        "The same by the web ACL's name. When any member of the group names one, the members' ARNs don't count.",
    )
    .also(&[Code::WebAclNotFound, Code::GroupConflict, Code::Overridden])
    .params("wafv2AclName", Wins::OverEach, |spec, _| text(spec.wafv2_acl_name.as_ref()));
    WAF_ACL_ID: Attachment = Setting::new(
        "waf-acl-id", GroupExclusive, Grammar::Text, Merge::Same, "499e8b99-6671-4614-a86d-adb1810b7fbe",
        "Web ACL of WAF Classic Regional, or `none`. AWS has closed WAF Classic to new users: prefer `wafv2-acl-arn`.",
    )
    .also(&[Code::GroupConflict]);
    WEB_ACL_ID: Attachment = Setting::new(
        "web-acl-id", GroupExclusive, Grammar::Text, Merge::Same, "499e8b99-6671-4614-a86d-adb1810b7fbe",
        "Old name of `waf-acl-id`, which wins when both are there.",
    )
    .also(&[Code::GroupConflict]);
    SHIELD_ADVANCED_PROTECTION: bool = Setting::new(
        "shield-advanced-protection", GroupExclusive, Grammar::Bool, Merge::Same, "true",
        "Turns Shield Advanced on or off for the ALB; the account has to be subscribed. Absence leaves it alone.",
    )
    .also(&[Code::ShieldNotSubscribed, Code::GroupConflict]);
    TAGS: Tags = Setting::new(
        "tags", GroupMergeable, Grammar::Tags, Merge::KeyUnion, "team=web, env=prod",
        "AWS tags for what is made for this Ingress. A Service's tags are added to its target groups and win there by key.",
    )
    .code(Code::InvalidTags)
    .also(&[Code::GroupConflict, Code::Overridden])
    .params("tags", Wins::ByKey, |spec, _| {
        let tags = spec.tags.iter().map(|tag| (tag.key.clone(), tag.value.clone()));
        (!spec.tags.is_empty()).then(|| Value::Map(tags.collect()))
    })
    .on_service(OnService::AddsByKey);
    DRY_RUN_PLAN: String = Setting::new(
        "dry-run-plan", Output, Grammar::Text, Merge::Own, "",
        "Written by the AWS Load Balancer Controller when its gate IngressPlanAnnotation is on; setting it has no effect.",
    )
    ;
}

/// A text that says something.
pub(super) fn text(given: Option<&String>) -> Option<Value> {
    given.filter(|text| !text.is_empty()).map(|text| Value::Text(text.clone()))
}

/// Attributes, if there are any.
pub(super) fn pairs(given: &[Attribute]) -> Option<Value> {
    let pairs = given.iter().map(|attribute| (attribute.key.clone(), attribute.value.clone()));
    (!given.is_empty()).then(|| Value::Map(pairs.collect()))
}

/// Ids go before tags; one of the two has to be there.
fn subnets(selector: &SubnetSelector) -> Value {
    match &selector.ids {
        Some(ids) => Value::List(ids.clone()),
        None => Value::Tagged(selector.tags.clone().unwrap_or_default()),
    }
}
