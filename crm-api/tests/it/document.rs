//! The OpenAPI document, its page, and what every answer carries.

use std::collections::BTreeSet;

use axum::http::Method;
use serde_json::{Value, json};

use crate::house::House;

fn document() -> Value {
    serde_json::from_str(&housecall_crm_api::openapi()).expect("JSON")
}

#[test]
fn every_operation_has_a_name_a_tag_and_a_refusal() {
    let document = document();
    let mut names = BTreeSet::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            let name = operation["operationId"].as_str().expect("a name");
            assert!(names.insert(name.to_owned()), "{name} twice");
            assert_eq!(operation["tags"].as_array().map(Vec::len), Some(1), "{method} {path}");
            let refusal = &operation["responses"]["default"]["content"];
            let schema = &refusal["application/problem+json"]["schema"]["$ref"];
            assert_eq!(schema, "#/components/schemas/Problem", "{method} {path}");
        }
    }
    assert_eq!(names.len(), 48);
}

#[test]
fn every_reference_leads_somewhere() {
    fn walk(value: &Value, document: &Value) {
        match value {
            Value::Object(fields) => {
                if let Some(Value::String(reference)) = fields.get("$ref") {
                    let pointer = reference.trim_start_matches('#');
                    assert!(document.pointer(pointer).is_some(), "{reference}");
                }
                fields.values().for_each(|value| walk(value, document));
            }
            Value::Array(items) => items.iter().for_each(|value| walk(value, document)),
            _ => {}
        }
    }
    let document = document();
    walk(&document, &document);
}

#[test]
fn what_is_always_sent_is_required_and_says_when_it_is_null() {
    let schemas = &document()["components"]["schemas"];
    let required = &schemas["ConsultationSummary"]["required"];
    assert!(required.as_array().expect("required").contains(&json!("operator")));
    let operator = schemas["ConsultationSummary"]["properties"]["operator"].to_string();
    assert!(operator.contains("null"), "{operator}");
    let optional = &schemas["CallbackCreate"]["required"];
    assert_eq!(optional, &json!(["reason"]));
}

#[tokio::test]
async fn the_document_and_its_page_are_served() {
    let house = House::open().await;
    let served = house.call(Method::GET, "/api/v1/openapi.json", None, None).await;
    assert_eq!(served.ok(), document());
    let page = house.call(Method::GET, "/api/v1/docs/", None, None).await;
    assert!(page.text().contains("swagger"), "{}", page.text());
}

#[tokio::test]
async fn every_answer_carries_its_headers() {
    let house = House::open().await;
    let brand = house.call(Method::GET, "/api/v1/brand", None, None).await;
    assert_eq!(brand.ok()["demo"], true);
    assert_eq!(brand.header("x-content-type-options"), "nosniff");
    assert_eq!(brand.header("cache-control"), "no-store");
    assert!(!brand.header("x-request-id").is_empty());
    assert!(brand.header("content-security-policy").contains("default-src 'none'"));
}

#[tokio::test]
async fn requests_and_sign_ins_are_counted_without_their_data() {
    let house = House::open().await;
    let patient = house.patient("+79000001201").await;
    let id = house.question(&patient).await;
    house.get(&format!("/api/v1/consultations/{id}?secret=1"), &patient).await.ok();
    let page = housecall_platform::telemetry::render(&house.context.metrics);
    assert!(page.contains("route=\"/api/v1/consultations/{id}\""), "{page}");
    assert!(page.contains("housecall_sign_ins_total{kind=\"patient\",outcome=\"success\"} 1"));
    for secret in [id.as_str(), "secret", "9000001201"] {
        assert!(!page.contains(secret), "{secret}");
    }
}
