//! The table of actions that Albedo is allowed: why each is needed, on which resources, and in which statement of a policy it stands.
//!
//! Types of resources and keys of conditions of each action:
//! <https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html>.

use super::ResourceType;
use super::ResourceType::{
    Alb, ClassicWebAcl, Listener, LoadBalancer, Rule, SecurityGroup, ServiceLinkedRole, TargetGroup, Vpc, WebAcl,
};

/// One action in one statement.
#[derive(Debug)]
pub struct Action {
    /// As policies write it, `elasticloadbalancing:CreateRule`; a `*` at the end stands for the rest.
    pub action: &'static str,
    /// The types of resources that it is allowed on; none: it can't be restricted.
    pub on: &'static [ResourceType],
    /// The name of the statement.
    pub statement: &'static str,
    /// Why it is needed.
    pub need: Need,
}

/// Why an action is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Albedo calls it.
    Called,
    /// AWS asks for it while it carries out a call, and documents that here.
    Asked(&'static str),
    /// AWS does not document that it asks for it, but LBC's policy allows it and has done so for years.
    Undocumented,
}

use Need::{Asked, Called, Undocumented};

const ELB: Need = Asked("https://docs.aws.amazon.com/elasticloadbalancing/latest/userguide/elb-api-permissions.html");
const ELB_TAGS: Need =
    Asked("https://docs.aws.amazon.com/elasticloadbalancing/latest/userguide/tagging-resources-during-creation.html");
const EC2_TAGS: Need = Asked("https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/supported-iam-actions-tagging.html");
const COGNITO: Need =
    Asked("https://kubernetes-sigs.github.io/aws-load-balancer-controller/latest/guide/tasks/cognito_authentication");
const WAF: Need = Asked("https://docs.aws.amazon.com/service-authorization/latest/reference/list_awswafv2.html");
const ROLE: Need =
    Asked("https://docs.aws.amazon.com/elasticloadbalancing/latest/userguide/elb-service-linked-roles.html");

const TAGGED: &[ResourceType] = &[LoadBalancer, TargetGroup, Listener, Rule];
const BALANCER: &[ResourceType] = &[LoadBalancer];

/// All actions.
#[rustfmt::skip]
pub const ACTIONS: &[Action] = &[
    row("iam:CreateServiceLinkedRole", &[ServiceLinkedRole], "ServiceLinkedRoleOfElb", ROLE),

    row("acm:DescribeCertificate", &[], "Read", Called),
    row("acm:ListCertificates", &[], "Read", Called),
    row("ec2:DescribeAvailabilityZones", &[], "Read", Called),
    row("ec2:DescribeInstances", &[], "Read", Called),
    row("ec2:DescribeManagedPrefixLists", &[], "Read", Called),
    row("ec2:DescribeNetworkInterfaces", &[], "Read", Called),
    row("ec2:DescribeRouteTables", &[], "Read", Called),
    row("ec2:DescribeSecurityGroups", &[], "Read", Called),
    row("ec2:DescribeSubnets", &[], "Read", Called),
    row("ec2:DescribeVpcs", &[], "Read", Called),
    // One by one they would be too long: a policy has at most 6,144 characters.
    row("elasticloadbalancing:Describe*", &[], "Read", Called),

    row("ec2:DescribeAccountAttributes", &[], "ReadByAwsInOurName", ELB),
    row("ec2:DescribeAddresses", &[], "ReadByAwsInOurName", ELB),
    row("ec2:DescribeInternetGateways", &[], "ReadByAwsInOurName", ELB),
    row("ec2:DescribeCoipPools", &[], "ReadByAwsInOurName", Undocumented),
    row("ec2:DescribeIpamPools", &[], "ReadByAwsInOurName", Undocumented),
    row("ec2:DescribeVpcPeeringConnections", &[], "ReadByAwsInOurName", Undocumented),
    row("ec2:GetCoipPoolUsage", &[], "ReadByAwsInOurName", Undocumented),
    row("ec2:GetSecurityGroupsForVpc", &[], "ReadByAwsInOurName", Undocumented),
    row("iam:GetServerCertificate", &[], "ReadByAwsInOurName", Undocumented),
    row("iam:ListServerCertificates", &[], "ReadByAwsInOurName", Undocumented),
    row("cognito-idp:DescribeUserPoolClient", &[], "ReadByAwsInOurName", COGNITO),

    row("ec2:CreateSecurityGroup", &[Vpc], "CreateSecurityGroupInVpc", Called),
    row("ec2:CreateSecurityGroup", &[SecurityGroup], "CreateTagged", Called),
    row("elasticloadbalancing:CreateLoadBalancer", BALANCER, "CreateTagged", Called),
    row("elasticloadbalancing:CreateTargetGroup", &[TargetGroup], "CreateTagged", Called),
    row("ec2:CreateTags", &[SecurityGroup], "TagSecurityGroupOnCreate", EC2_TAGS),
    row("elasticloadbalancing:AddTags", TAGGED, "TagOnCreate", ELB_TAGS),

    row("ec2:CreateTags", &[SecurityGroup], "RetagWhatIsOurs", Called),
    row("ec2:DeleteTags", &[SecurityGroup], "RetagWhatIsOurs", Called),
    row("elasticloadbalancing:AddTags", TAGGED, "RetagWhatIsOurs", Called),
    row("elasticloadbalancing:RemoveTags", TAGGED, "RetagWhatIsOurs", Called),

    row("ec2:DeleteSecurityGroup", &[SecurityGroup], "ChangeWhatIsOurs", Called),
    row("elasticloadbalancing:AddListenerCertificates", &[Listener], "ChangeWhatIsOurs", Called),
    row("elasticloadbalancing:CreateListener", BALANCER, "ChangeWhatIsOurs", Called),
    row("elasticloadbalancing:CreateRule", &[Listener], "ChangeWhatIsOurs", Called),
    row("elasticloadbalancing:CreateWebACLAssociation", &[Alb], "ChangeWhatIsOurs", WAF),
    row("elasticloadbalancing:DeleteListener", &[Listener], "ChangeWhatIsOurs", Called),
    row("elasticloadbalancing:DeleteLoadBalancer", BALANCER, "ChangeWhatIsOurs", Called),
    row("elasticloadbalancing:DeleteRule", &[Rule], "ChangeWhatIsOurs", Called),
    row("elasticloadbalancing:DeleteTargetGroup", &[TargetGroup], "ChangeWhatIsOurs", Called),
    row("elasticloadbalancing:DeleteWebACLAssociation", &[Alb], "ChangeWhatIsOurs", WAF),
    row("elasticloadbalancing:ModifyCapacityReservation", BALANCER, "ChangeWhatIsOurs", Called),
    row("elasticloadbalancing:ModifyIpPools", BALANCER, "ChangeWhatIsOurs", Called),
    row("elasticloadbalancing:ModifyListener", &[Listener], "ChangeWhatIsOurs", Called),
    row("elasticloadbalancing:ModifyListenerAttributes", &[Listener], "ChangeWhatIsOurs", Called),
    row("elasticloadbalancing:ModifyLoadBalancerAttributes", BALANCER, "ChangeWhatIsOurs", Called),
    row("elasticloadbalancing:ModifyRule", &[Rule], "ChangeWhatIsOurs", Called),
    row("elasticloadbalancing:ModifyTargetGroup", &[TargetGroup], "ChangeWhatIsOurs", Called),
    row("elasticloadbalancing:ModifyTargetGroupAttributes", &[TargetGroup], "ChangeWhatIsOurs", Called),
    row("elasticloadbalancing:RemoveListenerCertificates", &[Listener], "ChangeWhatIsOurs", Called),
    row("elasticloadbalancing:SetIpAddressType", BALANCER, "ChangeWhatIsOurs", Called),
    row("elasticloadbalancing:SetRulePriorities", &[Rule], "ChangeWhatIsOurs", Called),
    row("elasticloadbalancing:SetSecurityGroups", BALANCER, "ChangeWhatIsOurs", Called),
    row("elasticloadbalancing:SetSubnets", BALANCER, "ChangeWhatIsOurs", Called),

    row("ec2:AuthorizeSecurityGroupIngress", &[SecurityGroup], "RulesOfSecurityGroupsInVpc", Called),
    row("ec2:RevokeSecurityGroupIngress", &[SecurityGroup], "RulesOfSecurityGroupsInVpc", Called),
    row("elasticloadbalancing:DeregisterTargets", &[TargetGroup], "TargetsOfAnyTargetGroup", Called),
    row("elasticloadbalancing:RegisterTargets", &[TargetGroup], "TargetsOfAnyTargetGroup", Called),

    row("waf-regional:AssociateWebACL", &[Alb, ClassicWebAcl], "WebAclsAssociate", Called),
    row("waf-regional:DisassociateWebACL", &[Alb], "WebAclsAssociate", Called),
    row("wafv2:AssociateWebACL", &[Alb, WebAcl], "WebAclsAssociate", Called),
    row("wafv2:DisassociateWebACL", &[Alb], "WebAclsAssociate", Called),
    row("elasticloadbalancing:GetLoadBalancerWebACL", &[], "WebAclsAndShield", WAF),
    row("elasticloadbalancing:SetWebAcl", &[], "WebAclsAndShield", WAF),
    row("shield:CreateProtection", &[], "WebAclsAndShield", Called),
    row("shield:DeleteProtection", &[], "WebAclsAndShield", Called),
    row("shield:DescribeProtection", &[], "WebAclsAndShield", Called),
    row("shield:GetSubscriptionState", &[], "WebAclsAndShield", Called),
    row("waf-regional:GetWebACL", &[], "WebAclsAndShield", Undocumented),
    row("waf-regional:GetWebACLForResource", &[], "WebAclsAndShield", Called),
    row("wafv2:GetWebACL", &[], "WebAclsAndShield", WAF),
    row("wafv2:GetWebACLForResource", &[], "WebAclsAndShield", Called),
    row("wafv2:ListWebACLs", &[], "WebAclsAndShield", Called),

    row("elasticloadbalancing:AddTags", &[Listener, Rule], "TagListenersAndRulesWithoutTag", Called),
    row("ec2:CreateTags", &[SecurityGroup], "TagWhatVersion1Made", Called),
    row("elasticloadbalancing:AddTags", &[LoadBalancer, TargetGroup], "TagWhatVersion1Made", Called),
];

const fn row(action: &'static str, on: &'static [ResourceType], statement: &'static str, need: Need) -> Action {
    Action { action, on, statement, need }
}
