//! Search in what people wrote: in one conversation, or in all that the caller may read.
//!
//! It has database connections of its own and a time limit: however much is searched,
//! the chat and the desk do not wait for it.

pub(crate) mod merge;
pub(crate) mod snippet;
pub(crate) mod words;

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use housecall_protocol::ConversationId;
use housecall_protocol::domain::Role;
use housecall_protocol::rest::{MessageHit, MessageHitPage};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::app::App;
use crate::extract::Parameters;
use crate::identity::caller::{Account, Caller};
use crate::problem::ApiError;
use crate::storage;
use crate::storage::audit::{self, Action};
use crate::storage::consultations::Reader;
use crate::storage::search::{Position, Query, Scope};
use words::Words;

const DEFAULT_LIMIT: u32 = 20;
const MAX_LIMIT: u32 = 50;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct SearchParameters {
    /// Words that are all in the message; the last one may be unfinished.
    q: String,
    /// Only in this conversation.
    #[serde(default)]
    #[param(value_type = Option<uuid::Uuid>)]
    conversation: Option<ConversationId>,
    /// `next` of the page before.
    #[serde(default)]
    after: Option<String>,
    /// 1 to 50; 20 when absent.
    #[serde(default)]
    limit: Option<u32>,
}

/// Messages whose text, or whose file's name, holds all the words, newest first.
#[utoipa::path(get, path = "/api/v1/messages/search", tag = "messages",
    operation_id = "searchMessages", params(SearchParameters),
    responses((status = 200, body = MessageHitPage)))]
pub(crate) async fn search(
    State(app): State<App>,
    caller: Caller,
    Parameters(parameters): Parameters<SearchParameters>,
) -> Result<Json<MessageHitPage>, ApiError> {
    if caller.account == Account::Operator(Role::Admin) {
        return Err(ApiError::Forbidden);
    }
    app.limits.searches_by_person.check(&caller.person)?;
    let limit = parameters.limit.unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT);
    let after = parameters.after.as_deref().map(Position::decode).transpose()?;
    let Some(words) = Words::parse(&parameters.q) else {
        return Ok(Json(MessageHitPage { items: Vec::new(), next: None }));
    };
    let scope = scope(&app, &caller, parameters.conversation).await?;
    let query = Query { scope, words: &words, after, limit };
    let reader = Reader::from(caller);
    let mut hits = storage::search::messages(&app.searcher().await?, &reader, &query).await?;
    let has_more = hits.len() > limit as usize;
    hits.truncate(limit as usize);
    record(&app, &caller, &hits).await?;
    let next = if has_more { hits.last().map(|hit| Position::of(hit).encode()) } else { None };
    Ok(Json(MessageHitPage { items: hits, next }))
}

async fn scope(
    app: &App,
    caller: &Caller,
    conversation: Option<ConversationId>,
) -> Result<Scope, ApiError> {
    let Some(conversation) = conversation else { return Ok(Scope::Everything) };
    let client = app.client().await?;
    if !storage::conversations::may_read(&client, caller.person, conversation).await? {
        return Err(ApiError::NotFound);
    }
    Ok(Scope::Conversation(conversation))
}

/// A hit shows words of a patient's record: one line for each patient on the page.
async fn record(app: &App, caller: &Caller, hits: &[MessageHit]) -> Result<(), ApiError> {
    if caller.account == Account::Patient {
        return Ok(());
    }
    let client = app.client().await?;
    let seen: BTreeSet<_> = hits.iter().map(|hit| (hit.patient.id, hit.conversation)).collect();
    for (patient, conversation) in seen {
        let object = conversation.to_string();
        audit::record(&client, caller.person, Some(patient), Action::MessageSearch, &object)
            .await?;
    }
    Ok(())
}
