//! An operator who may no longer read a conversation stops hearing it.
//!
//! The right is checked when a conversation is opened, and again when the desk
//! hears that its consultation or callback changed hands.

use std::collections::HashSet;

use housecall_protocol::client::Topic;
use housecall_protocol::cluster::DeskEvent;

use super::Gateway;
use crate::storage::{StorageError, people};

/// Ends the subscriptions that a change took the right from.
pub(crate) async fn recheck(gateway: &Gateway, event: &DeskEvent) {
    if let Err(error) = try_recheck(gateway, event).await {
        // The next change, or the next fetch, finds out again.
        tracing::warn!(%error, "recheck of who may read");
    }
}

async fn try_recheck(gateway: &Gateway, event: &DeskEvent) -> Result<(), StorageError> {
    let Ok(id) = event.id.parse() else { return Ok(()) };
    let pool = &gateway.context.pool;
    let conversation = match event.topic {
        Topic::Consultations => people::conversation_of_consultation(pool, id).await?,
        Topic::Callbacks => people::conversation_of_callback(pool, id).await?,
        Topic::Operators | Topic::Patient => None,
    };
    let Some(conversation) = conversation else { return Ok(()) };
    let followers = gateway.registry.operators_following(conversation);
    let persons: HashSet<_> = followers.iter().map(|handle| handle.person).collect();
    for person in persons {
        if people::may_read(pool, person, conversation).await? {
            continue;
        }
        for handle in followers.iter().filter(|handle| handle.person == person) {
            gateway.registry.unfollow(handle.id, conversation);
        }
    }
    Ok(())
}
