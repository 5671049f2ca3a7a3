//! The OpenAPI document, from the handlers themselves, made precise for typed
//! clients: what is always sent is required, and every refusal is a problem.

use housecall_protocol::rest::Problem;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Components, ContentBuilder, OpenApi, Ref, RefOr, ResponseBuilder, Schema};
use utoipa::{Modify, OpenApi as _};

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Housecall REST API",
        version = "1",
        description = "Identity, consultations, callbacks, patients, operators and files. \
                       Chat and calls go over the WebSocket `/rt/v1`. Refusals are problem \
                       details (RFC 9457)."
    ),
    components(schemas(Problem)),
    security(("access_token" = [])),
    modifiers(&AccessToken),
    tags(
        (name = "auth", description = "Signing in and out"),
        (name = "me", description = "The signed-in person"),
        (name = "house", description = "Brand and public settings"),
        (name = "consultations", description = "Questions, the queue, the archive"),
        (name = "callbacks", description = "Requests to be called"),
        (name = "calls", description = "Calls that run, and records of those that were"),
        (name = "patients", description = "Patients as the desk sees them"),
        (name = "operators", description = "The staff"),
        (name = "messages", description = "Search in what was written"),
        (name = "files", description = "Files of conversations"),
    )
)]
pub(crate) struct Document;

impl Document {
    pub(crate) fn skeleton() -> OpenApi {
        Self::openapi()
    }
}

struct AccessToken;

impl Modify for AccessToken {
    fn modify(&self, document: &mut OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .description(Some("Access token of a patient or an operator"))
            .build();
        document
            .components
            .get_or_insert_with(Components::new)
            .add_security_scheme("access_token", SecurityScheme::Http(scheme));
    }
}

/// Bodies that clients send, and `Problem`: their optional fields may be left out.
/// In all others absent means null, and the field is there.
const MAY_LEAVE_OUT: [&str; 9] = [
    "CallbackCreate",
    "CodeSent",
    "ConsultationOpen",
    "ConsultationTransfer",
    "MeUpdate",
    "OperatorCreate",
    "OperatorUpdate",
    "PasswordLogin",
    "Problem",
];

/// Makes the generated document precise.
pub(crate) fn refine(document: &mut OpenApi) {
    if let Some(components) = &mut document.components {
        for (name, schema) in &mut components.schemas {
            if !MAY_LEAVE_OUT.contains(&name.as_str()) {
                require_all(schema);
            }
        }
    }
    let problem = ResponseBuilder::new()
        .description("Refused: problem details")
        .content(
            "application/problem+json",
            ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build(),
        )
        .build();
    for item in document.paths.paths.values_mut() {
        let operations =
            [&mut item.get, &mut item.post, &mut item.patch, &mut item.delete, &mut item.put];
        for operation in operations.into_iter().chain([&mut item.options]).flatten() {
            operation.responses.responses.insert("default".to_owned(), RefOr::T(problem.clone()));
        }
    }
}

fn require_all(schema: &mut RefOr<Schema>) {
    let RefOr::T(Schema::Object(object)) = schema else { return };
    object.required = object.properties.keys().cloned().collect();
}
