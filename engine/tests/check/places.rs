//! The caret stands under the value, in every style of YAML.

use super::{ingress, read, report};

/// Checks a file in which `«` and `»` enclose what is to be underlined.
fn underlines(marked: &str) {
    let (before, rest) = marked.split_once('«').expect("a mark");
    let (inside, _) = rest.split_once('»').expect("its end");
    let clean = marked.replace(['«', '»'], "");
    let manifests = read(&[("in.yaml", clean.as_bytes())]);
    let report = report(&manifests);
    let places: Vec<_> = report.remarks.iter().map(|remark| remark.place.clone().expect("a place")).collect();
    let wanted = before.len()..before.len() + inside.len();
    assert!(
        places.iter().any(|place| place.bytes == wanted),
        "{inside:?} is not underlined in\n{clean}\n{:?}",
        places.iter().map(|place| (place.line, place.column, clean.get(place.bytes.clone()))).collect::<Vec<_>>()
    );
    let place = places.iter().find(|place| place.bytes == wanted).expect("the place");
    assert_eq!(place.line, before.matches('\n').count() + 1);
    assert_eq!(place.column, before.lines().last().map_or(0, |line| line.chars().count()) + 1);
}

#[test]
fn scalars_of_every_style() {
    let p = "alb.ingress.kubernetes.io";
    for annotations in [
        format!("{p}/target-type: «pod»"),
        format!("{p}/target-type: «\"pod\"»"),
        format!("{p}/target-type: «'pod'» # not this"),
        format!("{p}/target-type:\n  «pod»"),
        format!("{p}/target-type: |-\n  «pod»"),
        format!("{p}/target-type: >-\n\n  «pod»"),
        format!("? {p}/target-type\n: «pod»"),
        // Part of a value.
        format!("{p}/subnets: subnet-0a, «subnet-0xyz»"),
        format!("{p}/subnets: >-\n  subnet-0a,\n  «subnet-0xyz»"),
        format!("{p}/subnets: |\n  subnet-0a,\n  «subnet-0xyz»\n"),
        format!("{p}/subnets: \"subnet-0a\\u002c\\x20\\\n  «subnet-0xyz»\""),
        format!("{p}/subnets: 'subnet-0a, «subnet-0xyz»'"),
        // A key.
        format!("«{p}/targetType»: ip"),
        format!("«\"{p}/targetType\"»: ip"),
    ] {
        underlines(&ingress(&annotations));
    }
}

#[test]
fn anchors_lead_to_what_is_defined() {
    underlines(&ingress("example.com/type: &type «pod»\nalb.ingress.kubernetes.io/target-type: *type"));
}

#[test]
fn other_fields_and_other_documents() {
    let file = ingress("a: b").replace("path: /\n", "path: «/*»\n");
    underlines(&file);
    underlines(&format!("# first\n---\n# Source: chart/templates/a.yaml\n{file}"));
    underlines(&format!("é: 1\nkind: ConfigMap\napiVersion: v1\n---\n{file}"));
    // An item of a list that is no scalar, or that lacks something.
    let lacks = ingress("a: b").replace("            pathType: Prefix\n", "").replace("path: /\n", "«path: /»\n");
    underlines(&lacks);
    let ports = ingress("a: b").replace("    - port: 80\n", "    - name: a\n      port: 80\n    - «port: 81»\n");
    underlines(&ports);
    let twice = format!(
        "{}---\n{}",
        ingress("a: b"),
        r#"
apiVersion: elbv2.k8s.aws/v1beta1
kind: IngressClassParams
metadata: {name: own}
spec:
  loadBalancerAttributes:
    - key: idle_timeout.timeout_seconds
      value: "60"
    - «key: no.such.attribute»
      value: "1"
---
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: alb}
spec:
  controller: ingress.k8s.aws/alb
  parameters: {apiGroup: elbv2.k8s.aws, kind: IngressClassParams, name: own}
"#
    );
    underlines(&twice);
    let item = file.split("---").next().expect("the Ingress");
    let item: String = item.lines().map(|line| format!("    {line}\n")).collect();
    underlines(&format!("apiVersion: v1\nkind: List\nitems:\n  -{}", item.trim_start_matches("   ")));
    underlines(
        "{\"apiVersion\": \"networking.k8s.io/v1\", \"kind\": \"Ingress\", \"metadata\": {\"name\": \"é\", \"annotations\":
{\"alb.ingress.kubernetes.io/scheme\": «\"public\"»}}, \"spec\": {\"ingressClassName\": \"alb\"}}",
    );
    underlines(&ingress("alb.ingress.kubernetes.io/target-type: «pod»").replace('\n', "\r\n"));
}
