//! Links by which devices and programs beside our own apps publish into a media room or
//! play it: an examination camera in a call, or an engineer's test stream. The gateway
//! serves them (WHIP, RFC 9725, and WHEP); here they are made and revoked.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use deadpool_postgres::GenericClient;
use housecall_protocol::cluster::{Answer, SfuReply, SfuRequest, subject};
use housecall_protocol::domain::PersonKind;
use housecall_protocol::media::StreamDirection;
use housecall_protocol::rest::{IssuedStreamLink, StreamLink, StreamLinkCreate, TestStream};
use housecall_protocol::{CallId, PersonId, StreamLinkId};

use crate::app::App;
use crate::extract::{Body, Id};
use crate::identity::caller::{AdminCaller, Caller, DeskCaller};
use crate::identity::refresh;
use crate::problem::ApiError;
use crate::storage;
use crate::storage::audit::{self, Action};
use crate::storage::streams::{LinkRow, NewLink, Session};

/// How long the relay has to end a session. The link is revoked either way.
const RELAY_PATIENCE: Duration = Duration::from_secs(2);

/// The links of a running call that are good now, without their tokens.
#[utoipa::path(get, path = "/api/v1/calls/{id}/stream-links", tag = "calls",
    operation_id = "listStreamLinks", params(("id" = Uuid, Path)),
    responses((status = 200, body = Vec<StreamLink>)))]
pub(crate) async fn list(
    State(app): State<App>,
    caller: DeskCaller,
    Id(call): Id<CallId>,
) -> Result<Json<Vec<StreamLink>>, ApiError> {
    let client = app.client().await?;
    storage::streams::place(&client, call, caller.person).await?.ok_or(ApiError::NotFound)?;
    let links = storage::streams::of_call(&client, call).await?;
    Ok(Json(links.into_iter().map(|link| view(&app, link)).collect()))
}

/// A link into a running call, for an operator who is in it. Who only listens may make
/// links that play.
#[utoipa::path(post, path = "/api/v1/calls/{id}/stream-links", tag = "calls",
    operation_id = "createStreamLink", params(("id" = Uuid, Path)),
    request_body = StreamLinkCreate, responses((status = 201, body = IssuedStreamLink)))]
pub(crate) async fn create(
    State(app): State<App>,
    caller: DeskCaller,
    Id(call): Id<CallId>,
    Body(body): Body<StreamLinkCreate>,
) -> Result<(StatusCode, Json<IssuedStreamLink>), ApiError> {
    let mut client = app.client().await?;
    let transaction = client.transaction().await?;
    let place = storage::streams::place(&transaction, call, caller.person).await?;
    let place = place.ok_or(ApiError::NotFound)?;
    if body.direction == StreamDirection::Publish && !place.member {
        return Err(ApiError::Forbidden);
    }
    let room = Room { id: call, call: Some(call) };
    let issued = issue(&app, &transaction, room, body.direction, caller.person).await?;
    let object = issued.link.id.to_string();
    let (patient, action) = (Some(place.patient), Action::StreamLinkCreate);
    audit::record(&transaction, caller.person, patient, action, &object).await?;
    transaction.commit().await?;
    Ok((StatusCode::CREATED, Json(issued)))
}

/// Revokes a link and ends the session that uses it.
#[utoipa::path(delete, path = "/api/v1/stream-links/{id}", tag = "calls",
    operation_id = "revokeStreamLink", params(("id" = Uuid, Path)),
    responses((status = 204)))]
pub(crate) async fn revoke(
    State(app): State<App>,
    caller: Caller,
    Id(link): Id<StreamLinkId>,
) -> Result<StatusCode, ApiError> {
    if caller.kind() == PersonKind::Patient {
        return Err(ApiError::Forbidden);
    }
    let mut client = app.client().await?;
    let transaction = client.transaction().await?;
    let call = storage::streams::call_of(&transaction, link).await?.ok_or(ApiError::NotFound)?;
    let patient = match call {
        Some(call) => {
            let place = storage::streams::place(&transaction, call, caller.person).await?;
            Some(place.ok_or(ApiError::NotFound)?.patient)
        }
        None if caller.is_admin() => None,
        None => return Err(ApiError::NotFound),
    };
    let session = storage::streams::revoke(&transaction, link).await?;
    let (person, object) = (caller.person, link.to_string());
    audit::record(&transaction, person, patient, Action::StreamLinkRevoke, &object).await?;
    transaction.commit().await?;
    if let Some(session) = session {
        end(&app, session).await;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// A room of its own with a link into it and one out of it, to try the relay and the
/// network to it. For administrators.
#[utoipa::path(post, path = "/api/v1/test-streams", tag = "operators",
    operation_id = "createTestStream", responses((status = 201, body = TestStream)))]
pub(crate) async fn create_test(
    State(app): State<App>,
    admin: AdminCaller,
) -> Result<(StatusCode, Json<TestStream>), ApiError> {
    let mut client = app.client().await?;
    let transaction = client.transaction().await?;
    let room = Room { id: CallId::generate(), call: None };
    let publish = issue(&app, &transaction, room, StreamDirection::Publish, admin.person).await?;
    let play = issue(&app, &transaction, room, StreamDirection::Play, admin.person).await?;
    let object = publish.link.id.to_string();
    audit::record(&transaction, admin.person, None, Action::StreamLinkCreate, &object).await?;
    transaction.commit().await?;
    Ok((StatusCode::CREATED, Json(TestStream { publish, play })))
}

/// Where a link leads.
#[derive(Clone, Copy)]
struct Room {
    id: CallId,
    call: Option<CallId>,
}

async fn issue(
    app: &App,
    client: &impl GenericClient,
    room: Room,
    direction: StreamDirection,
    created_by: PersonId,
) -> Result<IssuedStreamLink, ApiError> {
    let fresh = refresh::generate()?;
    let link = NewLink {
        id: StreamLinkId::generate(),
        room: room.id,
        call: room.call,
        direction,
        token_hash: &fresh.hash,
        created_by,
        life_s: f64::from(app.config.stream_link_s),
    };
    let limit = i64::from(app.config.stream_links_per_room);
    let row = storage::streams::insert(client, &link, limit).await?;
    let row = row.ok_or(ApiError::Conflict("the room has too many links"))?;
    Ok(IssuedStreamLink { link: view(app, row), token: fresh.token })
}

fn view(app: &App, link: LinkRow) -> StreamLink {
    let origin = app.context.settings.public_origins.first().map_or("", String::as_str);
    let origin = origin.trim_end_matches('/');
    StreamLink {
        id: link.id,
        call: link.call,
        direction: link.direction,
        url: format!("{origin}{}/{}", link.direction.path(), link.id),
        created_at: link.created_at.into(),
        expires_at: link.expires_at.into(),
        in_use: link.in_use,
    }
}

/// Tells the relay. Best effort: a session that goes on has no way back in.
async fn end(app: &App, session: Session) {
    let Session { room, participant, relay } = session;
    let leave = SfuRequest::Leave { room, participant };
    let subject = subject::sfu_request(relay);
    let bus = &app.context.bus;
    let answer = bus.request::<_, Answer<SfuReply>>(&subject, &leave, RELAY_PATIENCE).await;
    if let Err(error) = answer {
        tracing::warn!(%room, %error, "session of a revoked link not ended");
    }
}
