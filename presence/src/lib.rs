//! Who is reachable: device leases, operator statuses, watchers.
