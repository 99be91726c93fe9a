//! The CRDs: the shipped ones, those that the cluster lacks, and tests that compare files with types.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;

use super::error::read;
use super::{Cluster, ReadError};

/// Every CRD that Albedo needs: its name, and its YAML as it is shipped.
///
/// The first two are kinds of LBC, written by hand so that stored objects stay valid; the others are derived
/// from their types.
pub const CRDS: [(&str, &str); 5] = [
    ("targetgroupbindings.elbv2.k8s.aws", include_str!("../../deploy/crds/elbv2.k8s.aws_targetgroupbindings.yaml")),
    ("ingressclassparams.elbv2.k8s.aws", include_str!("../../deploy/crds/elbv2.k8s.aws_ingressclassparams.yaml")),
    ("ingressgroups.albedo.dev", include_str!("../../deploy/crds/albedo.dev_ingressgroups.yaml")),
    ("ingressdefaults.albedo.dev", include_str!("../../deploy/crds/albedo.dev_ingressdefaults.yaml")),
    ("ingresspolicies.albedo.dev", include_str!("../../deploy/crds/albedo.dev_ingresspolicies.yaml")),
];

/// Group, version and plural, in the order of [`CRDS`].
const SERVED: [(&str, &str); 5] = [
    ("elbv2.k8s.aws/v1beta1", "targetgroupbindings"),
    ("elbv2.k8s.aws/v1beta1", "ingressclassparams"),
    ("albedo.dev/v1alpha1", "ingressgroups"),
    ("albedo.dev/v1alpha1", "ingressdefaults"),
    ("albedo.dev/v1alpha1", "ingresspolicies"),
];

/// Discovery does not list this verb for a kind whose CRD is being deleted.
const CREATE: &str = "create";

impl Cluster {
    /// Names of the CRDs that the API server does not serve in the required version.
    ///
    /// It uses discovery, which needs no permission, instead of reading the CRDs.
    ///
    /// # Errors
    /// If the API server does not answer.
    pub async fn missing_crds(&self) -> Result<Vec<&'static str>, ReadError> {
        let mut missing = Vec::new();
        for ((name, _), (version, plural)) in CRDS.iter().zip(SERVED) {
            let served = read(&format!("ask which kinds of {version} are served"), self.served(version)).await?;
            if !served.is_some_and(|names| names.iter().any(|served| served == plural)) {
                missing.push(*name);
            }
        }
        Ok(missing)
    }

    /// Whether the CRD of bindings was deleted or is being deleted, and with it every binding. This must not deregister their targets.
    ///
    /// Without the permission to read the CRD it uses discovery, which shows this some milliseconds after the first binding is deleted.
    ///
    /// # Errors
    /// If neither the CRD nor discovery can be read.
    pub async fn are_bindings_going(&self) -> Result<bool, ReadError> {
        let ([(name, _), ..], [(version, plural), ..]) = (CRDS, SERVED);
        let api: Api<CustomResourceDefinition> = Api::all(self.client());
        match read(&format!("read the CRD {name}"), api.get_metadata(name)).await {
            Ok(crd) => Ok(crd.is_none_or(|crd| crd.metadata.deletion_timestamp.is_some())),
            Err(ReadError::Forbidden { .. }) => {
                let what = format!("ask whether {plural} of {version} are served");
                let list = read(&what, self.client().list_api_group_resources(version)).await?;
                let resources = list.into_iter().flat_map(|list| list.resources);
                let made = |verbs: &[String]| verbs.iter().any(|verb| verb == CREATE);
                Ok(!resources.into_iter().any(|resource| resource.name == plural && made(&resource.verbs)))
            }
            Err(error) => Err(error),
        }
    }

    async fn served(&self, version: &str) -> kube::Result<Vec<String>> {
        match self.client().list_api_group_resources(version).await {
            Ok(list) => Ok(list.resources.into_iter().map(|resource| resource.name).collect()),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use albedo_engine::annotation::schema_rules::{self, SchemaRule};
    use albedo_engine::kinds::{IngressClassParams, IngressDefaults, IngressGroup, IngressPolicy, TargetGroupBinding};
    use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
        CustomResourceDefinition, CustomResourceDefinitionVersion, JSONSchemaProps, JSONSchemaPropsOrArray,
        JSONSchemaPropsOrBool, ValidationRule,
    };
    use kube::{CustomResourceExt, Resource};
    use serde::Serialize;
    use serde::de::DeserializeOwned;
    use serde_json::{Map, Value, json};

    use super::*;

    fn parsed(name: &str) -> CustomResourceDefinition {
        let (_, yaml) = CRDS.into_iter().find(|(crd, _)| *crd == name).unwrap();
        serde_saphyr::from_str(yaml).unwrap()
    }

    #[test]
    fn every_file_is_the_crd_of_its_name_and_type() {
        for ((name, yaml), (version, plural)) in CRDS.into_iter().zip(SERVED) {
            let crd: CustomResourceDefinition = serde_saphyr::from_str(yaml).unwrap();
            assert_eq!(crd.metadata.name.as_deref(), Some(name));
            assert_eq!(crd.spec.names.plural, plural);
            let served =
                crd.spec.versions.iter().any(|row| row.served && format!("{}/{}", crd.spec.group, row.name) == version);
            assert!(served, "{name} doesn't serve {version}");
        }
        typed::<TargetGroupBinding>("targetgroupbindings.elbv2.k8s.aws");
        typed::<IngressClassParams>("ingressclassparams.elbv2.k8s.aws");
        typed::<IngressGroup>("ingressgroups.albedo.dev");
        typed::<IngressDefaults>("ingressdefaults.albedo.dev");
        typed::<IngressPolicy>("ingresspolicies.albedo.dev");
    }

    fn typed<K: Resource<DynamicType = ()>>(name: &str) {
        let crd = parsed(name);
        assert_eq!((crd.spec.names.kind.as_str(), crd.spec.group.as_str()), (&*K::kind(&()), &*K::group(&())));
        let stored = crd.spec.versions.iter().find(|version| version.storage).unwrap();
        assert_eq!(stored.name, K::version(&()));
    }

    /// The CRDs of our own kinds as their types generate them: the name, the file, its head, and the CRD.
    fn generated() -> [(&'static str, &'static str, CustomResourceDefinition); 3] {
        [
            (
                "albedo.dev_ingressgroups.yaml",
                "# IngressGroup: what Albedo remembers of each group of Ingresses that shares a load balancer. Albedo writes it, people read it.\n\
                 # Generated from the type in engine/src/kinds/group.rs; UPDATE=1 cargo test crds writes it anew.\n",
                IngressGroup::crd(),
            ),
            (
                "albedo.dev_ingressdefaults.yaml",
                "# IngressDefaults: values that admission writes into new Ingresses which lack them.\n\
                 # Generated from the type in engine/src/kinds/defaults.rs and the catalogue; UPDATE=1 cargo test crds writes it anew.\n",
                with_rules(IngressDefaults::crd(), &schema_rules::of_defaults()),
            ),
            (
                "albedo.dev_ingresspolicies.yaml",
                "# IngressPolicy: the values that Ingresses may have, as a platform team decides.\n\
                 # Generated from the type in engine/src/kinds/policy.rs and the catalogue; UPDATE=1 cargo test crds writes it anew.\n",
                with_rules(IngressPolicy::crd(), &schema_rules::of_policies()),
            ),
        ]
    }

    /// With the rules of the catalogue about settings, and limits without which they would be too expensive.
    fn with_rules(mut crd: CustomResourceDefinition, rules: &[SchemaRule]) -> CustomResourceDefinition {
        let rule = |one: SchemaRule| ValidationRule {
            message: Some(one.message),
            rule: one.rule,
            ..ValidationRule::default()
        };
        for version in &mut crd.spec.versions {
            let schema = version.schema.as_mut().unwrap().open_api_v3_schema.as_mut().unwrap();
            let spec = schema.properties.as_mut().unwrap().get_mut("spec").unwrap();
            let settings = spec.properties.as_mut().unwrap().get_mut("settings").unwrap();
            settings.max_properties = Some(schema_rules::MOST_SETTINGS);
            if let Some(JSONSchemaPropsOrBool::Schema(value)) = &mut settings.additional_properties {
                match &mut value.properties {
                    None => value.max_length = Some(schema_rules::LONGEST_VALUE),
                    Some(fields) => fields.values_mut().for_each(limit),
                }
            }
            settings.x_kubernetes_validations = Some(rules.iter().cloned().map(rule).collect());
        }
        crd
    }

    /// Limits a list of words.
    fn limit(field: &mut JSONSchemaProps) {
        if let Some(JSONSchemaPropsOrArray::Schema(word)) = &mut field.items {
            word.max_length = Some(schema_rules::LONGEST_WORD);
            field.max_items = Some(schema_rules::MOST_WORDS);
        }
    }

    /// `UPDATE=1` writes the files instead of comparing them.
    #[test]
    fn files_of_our_own_kinds_are_what_their_types_generate() {
        for (file, head, crd) in generated() {
            let yaml = format!("{head}{}", serde_saphyr::to_string(&crd).unwrap());
            if std::env::var_os("UPDATE").is_some() {
                std::fs::write(format!("{}/deploy/crds/{file}", env!("CARGO_MANIFEST_DIR")), yaml).unwrap();
                continue;
            }
            let name = crd.metadata.name.clone().unwrap();
            assert_eq!(serde_json::to_value(parsed(&name)).unwrap(), serde_json::to_value(crd).unwrap(), "{file}");
            let (_, shipped) = CRDS.into_iter().find(|(crd, _)| *crd == name).unwrap();
            assert!(shipped == yaml, "UPDATE=1 cargo test crds writes {file}");
        }
    }

    /// An object with every property that a schema knows.
    fn sample(schema: &JSONSchemaProps) -> Value {
        if let Some(first) = schema.enum_.as_ref().and_then(|allowed| allowed.first()) {
            return first.0.clone();
        }
        if schema.x_kubernetes_int_or_string == Some(true) {
            return json!("http");
        }
        match schema.type_.as_deref() {
            Some("string") if schema.format.as_deref() == Some("date-time") => json!("2026-01-02T03:04:05Z"),
            Some("string") => json!("text"),
            Some("integer") => json!(1),
            Some("boolean") => json!(true),
            Some("array") => json!([sample(items(schema))]),
            Some("object") => object(schema),
            other => panic!("a schema of type {other:?}"),
        }
    }

    fn items(schema: &JSONSchemaProps) -> &JSONSchemaProps {
        use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaPropsOrArray as Items;
        match schema.items.as_ref().unwrap() {
            Items::Schema(items) => items,
            Items::Schemas(_) => panic!("a tuple"),
        }
    }

    fn object(schema: &JSONSchemaProps) -> Value {
        use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaPropsOrBool as Additional;
        match (&schema.properties, &schema.additional_properties) {
            (Some(properties), _) => {
                Value::Object(properties.iter().map(|(name, schema)| (name.clone(), sample(schema))).collect())
            }
            (None, Some(Additional::Schema(schema))) => json!({"key": sample(schema)}),
            (None, _) => json!({}),
        }
    }

    /// Every property of every version of a CRD comes back from its Rust type.
    fn comes_back<K: DeserializeOwned + Serialize + Resource<DynamicType = ()>>(name: &str) {
        for CustomResourceDefinitionVersion { name: version, schema, .. } in parsed(name).spec.versions {
            let schema = schema.unwrap().open_api_v3_schema.unwrap();
            let mut whole = Map::new();
            for part in ["spec", "status"] {
                let schema = schema.properties.as_ref().unwrap().get(part);
                whole.extend(schema.map(|schema| (part.to_owned(), sample(schema))));
            }
            whole.insert("apiVersion".to_owned(), json!(K::api_version(&())));
            whole.insert("kind".to_owned(), json!(K::kind(&())));
            whole.insert("metadata".to_owned(), json!({"name": "x"}));
            let whole = Value::Object(whole);
            let typed: K = serde_json::from_value(whole.clone()).unwrap();
            assert_eq!(serde_json::to_value(typed).unwrap(), whole, "{name} {version}");
        }
    }

    #[test]
    fn types_know_every_property_of_the_shipped_schemas() {
        comes_back::<TargetGroupBinding>("targetgroupbindings.elbv2.k8s.aws");
        comes_back::<IngressClassParams>("ingressclassparams.elbv2.k8s.aws");
        comes_back::<IngressGroup>("ingressgroups.albedo.dev");
        comes_back::<IngressDefaults>("ingressdefaults.albedo.dev");
        comes_back::<IngressPolicy>("ingresspolicies.albedo.dev");
    }

    /// The reverse: a type writes no property that the API server would drop.
    #[test]
    fn schemas_know_every_field_of_the_types() {
        let spec = |name: &str| {
            let version = parsed(name).spec.versions.into_iter().find(|version| version.storage).unwrap();
            let schema = version.schema.unwrap().open_api_v3_schema.unwrap();
            serde_json::to_value(schema.properties.unwrap().remove("spec").unwrap()).unwrap()
        };
        let derived = |crd: CustomResourceDefinition| {
            let schema = crd.spec.versions[0].schema.clone().unwrap().open_api_v3_schema.unwrap();
            serde_json::to_value(schema.properties.unwrap().remove("spec").unwrap()).unwrap()
        };
        let pairs = [
            (spec("targetgroupbindings.elbv2.k8s.aws"), derived(TargetGroupBinding::crd())),
            (spec("ingressclassparams.elbv2.k8s.aws"), derived(IngressClassParams::crd())),
        ];
        for (shipped, derived) in pairs {
            assert_eq!(names(&shipped, "spec"), names(&derived, "spec"));
        }
    }

    fn names(schema: &Value, path: &str) -> std::collections::BTreeSet<String> {
        let mut all = std::collections::BTreeSet::from([path.to_owned()]);
        for (name, schema) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            all.append(&mut names(schema, &format!("{path}.{name}")));
        }
        for inner in ["items", "additionalProperties"] {
            if let Some(schema) = schema.get(inner).filter(|schema| schema.is_object()) {
                all.append(&mut names(schema, &format!("{path}[]")));
            }
        }
        all
    }
}
