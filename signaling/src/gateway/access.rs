//! An operator who may no longer read a conversation stops hearing it.
//!
//! The right is checked when a conversation is opened, and again when the desk
//! hears that its consultation or callback changed hands, or the operator their work.

use std::collections::HashSet;

use housecall_protocol::client::Topic;
use housecall_protocol::cluster::DeskEvent;
use housecall_protocol::{ConversationId, PersonId};

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
    let conversations: Vec<_> = match event.topic {
        Topic::Consultations => {
            people::conversation_of_consultation(pool, id).await?.into_iter().collect()
        }
        Topic::Callbacks => people::conversation_of_callback(pool, id).await?.into_iter().collect(),
        // A doctor of another specialty now serves another queue.
        Topic::Operators => gateway.registry.followed_by(PersonId(id)),
        Topic::Patient => Vec::new(),
    };
    for conversation in conversations {
        recheck_followers(gateway, conversation).await?;
    }
    Ok(())
}

async fn recheck_followers(
    gateway: &Gateway,
    conversation: ConversationId,
) -> Result<(), StorageError> {
    let pool = &gateway.context.pool;
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
