-- What lets a program in. Only a hash of the secret is kept. A row is never deleted: where one stands, every
-- request needs a key, and taking the last one back must not open the doors.
create table api_key (
    key_id        text primary key,
    name          text    not null,
    secret_sha256 text    not null check (length(secret_sha256) = 64),
    -- A JSON list of embed, train, metrics, admin.
    scopes        text    not null,
    created_at    integer not null,
    expires_at    integer,
    -- To the minute.
    last_used_at  integer,
    revoked_at    integer
) strict;
