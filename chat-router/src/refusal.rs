//! The refusals that several requests share.

use housecall_protocol::client::ErrorCode;
use housecall_protocol::cluster::Refusal;
use housecall_protocol::ids::ConversationId;

use crate::storage::StorageError;

/// Also for conversations that do not exist: whoever may not read them need not
/// learn which do.
pub(crate) fn forbidden() -> Refusal {
    Refusal::new(ErrorCode::Forbidden, "this conversation is not open to you")
}

pub(crate) fn overloaded() -> Refusal {
    Refusal::new(ErrorCode::Unavailable, "the chat is overloaded, send again")
}

/// Logs the failure and says what the client can do about it.
pub(crate) fn storage(error: &StorageError, conversation: ConversationId) -> Refusal {
    if error.is_passing() {
        tracing::warn!(%conversation, %error, "database away");
        return Refusal::new(ErrorCode::Unavailable, "the chat cannot be reached now, send again");
    }
    tracing::error!(%conversation, %error, "database step failed");
    Refusal::new(ErrorCode::Internal, "the chat failed")
}
