-- How a call was for each of its participants, written with its end. Shares are 0 to
-- 1; null is what nobody measured. crm.calls.quality is not written any more.
CREATE TABLE crm.call_quality (
    call_id        uuid NOT NULL REFERENCES crm.calls,
    person_id      uuid NOT NULL REFERENCES crm.people,
    -- Of what they heard: ITU-T G.107, 1 to 4.5.
    mos_mean       real,
    mos_min        real,
    -- From them to the relay, and from it to them.
    loss_up        real,
    loss_up_max    real,
    loss_down      real,
    loss_down_max  real,
    rtt_ms         real,
    rtt_max_ms     real,
    jitter_ms      real,
    received_bps   real,
    sent_bps       real,
    freezes        int NOT NULL DEFAULT 0,
    first_frame_ms int,
    -- As the protocol's MediaPath.
    path           text CHECK (path IN ('udp', 'tcp', 'turn_udp', 'turn_tcp', 'turn_tls')),
    -- [{source, direction, loss, jitter_ms, bitrate_bps, frames_per_second, freezes}]
    tracks         jsonb NOT NULL DEFAULT '[]',
    -- [{source, fault, times}]: tracks that should have flowed and did not.
    faults         jsonb NOT NULL DEFAULT '[]',
    PRIMARY KEY (call_id, person_id)
);
