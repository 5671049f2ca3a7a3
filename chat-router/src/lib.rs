//! Conversations: order, durability, delivery, receipts, recovery.
