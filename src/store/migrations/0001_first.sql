-- Times are milliseconds since 1970, UTC, of the database's clock.

CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;
INSERT INTO meta VALUES ('probe', '');

-- The ledger. Rows are added at the end and stay: the chain of hashes shows what went round these triggers.
CREATE TABLE audit (
    seq INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    event TEXT NOT NULL,
    actor TEXT NOT NULL,
    subject TEXT,
    canonical TEXT NOT NULL,
    hash TEXT NOT NULL
);
CREATE INDEX audit_subject ON audit (subject, seq) WHERE subject IS NOT NULL;
CREATE TRIGGER audit_grows BEFORE INSERT ON audit
WHEN NEW.seq <> (SELECT coalesce(max(seq), 0) + 1 FROM audit)
BEGIN SELECT raise(ABORT, 'the ledger grows at its end, without gaps'); END;
CREATE TRIGGER audit_stays BEFORE UPDATE ON audit
BEGIN SELECT raise(ABORT, 'rows of the ledger do not change'); END;
CREATE TRIGGER audit_keeps BEFORE DELETE ON audit
BEGIN SELECT raise(ABORT, 'rows of the ledger are not removed'); END;

CREATE TABLE agents (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    token_hash BLOB,
    owners TEXT NOT NULL,
    labels TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    revoked_at INTEGER,
    -- Its pending holds, counted by the triggers on `holds`.
    pending INTEGER NOT NULL DEFAULT 0
);
CREATE TRIGGER agents_stay BEFORE DELETE ON agents
BEGIN SELECT raise(ABORT, 'agents are revoked, not removed'); END;
CREATE TRIGGER agents_end BEFORE UPDATE OF revoked_at ON agents WHEN OLD.revoked_at IS NOT NULL
BEGIN SELECT raise(ABORT, 'a revoked agent stays revoked'); END;
INSERT INTO agents (name, owners, labels, created_at)
VALUES ('local', '[]', '{}', CAST(round(unixepoch('subsec') * 1000) AS INTEGER));

CREATE TABLE holds (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    version INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('pending', 'approved', 'released', 'denied', 'expired', 'withdrawn')),
    digest BLOB NOT NULL CHECK (length(digest) = 32),
    agent_id INTEGER NOT NULL REFERENCES agents (id),
    -- Copies out of the sealed record, to find and group by; the record is what counts.
    agent TEXT NOT NULL,
    rule TEXT NOT NULL,
    method TEXT NOT NULL,
    url TEXT NOT NULL,
    shape TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    -- Everything that never changes, sealed.
    record BLOB NOT NULL,
    -- When a live hold ends by itself: `expires_at` while pending, `approval_expires_at` while approved.
    due_at INTEGER,
    decided_at INTEGER,
    approval_expires_at INTEGER,
    released_at INTEGER,
    ended_at INTEGER,
    outcome TEXT,
    requests INTEGER NOT NULL
);
CREATE UNIQUE INDEX holds_live ON holds (agent_id, digest) WHERE state IN ('pending', 'approved');
CREATE INDEX holds_digest ON holds (agent_id, digest, seq);
CREATE INDEX holds_state ON holds (state, seq);
CREATE INDEX holds_due ON holds (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX holds_shape ON holds (shape, rule, seq);
CREATE INDEX holds_unanswered ON holds (seq) WHERE state = 'released' AND outcome IS NULL;
CREATE TRIGGER holds_stay BEFORE DELETE ON holds
BEGIN SELECT raise(ABORT, 'holds are not removed'); END;
CREATE TRIGGER holds_end BEFORE UPDATE OF state ON holds
WHEN NOT (OLD.state = 'pending' AND NEW.state IN ('approved', 'denied', 'expired', 'withdrawn')
    OR OLD.state = 'approved' AND NEW.state IN ('released', 'expired', 'withdrawn'))
BEGIN SELECT raise(ABORT, 'a hold does not go that way'); END;
CREATE TRIGGER holds_fixed BEFORE UPDATE OF id, digest, agent_id, agent, rule, method, url, shape, created_at,
    expires_at, record ON holds
BEGIN SELECT raise(ABORT, 'what was parked does not change'); END;
CREATE TRIGGER holds_pend AFTER INSERT ON holds WHEN NEW.state = 'pending'
BEGIN UPDATE agents SET pending = pending + 1 WHERE id = NEW.agent_id; END;
CREATE TRIGGER holds_settle AFTER UPDATE OF state ON holds WHEN OLD.state = 'pending'
BEGIN UPDATE agents SET pending = pending - 1 WHERE id = NEW.agent_id; END;

-- Bodies, sealed, erased some time after their hold has ended.
CREATE TABLE bodies (
    hold INTEGER PRIMARY KEY REFERENCES holds (seq),
    sealed BLOB NOT NULL
);

CREATE TABLE votes (
    hold INTEGER NOT NULL REFERENCES holds (seq),
    person TEXT NOT NULL,
    choice TEXT NOT NULL CHECK (choice IN ('approve', 'deny')),
    groups TEXT NOT NULL,
    reason TEXT,
    channel TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (hold, person, choice)
) WITHOUT ROWID;
CREATE TRIGGER votes_stay BEFORE DELETE ON votes
BEGIN SELECT raise(ABORT, 'votes are not removed'); END;
CREATE TRIGGER votes_fixed BEFORE UPDATE ON votes
BEGIN SELECT raise(ABORT, 'votes do not change'); END;

CREATE TABLE reviewers (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    groups TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    revoked_at INTEGER
);
CREATE TRIGGER reviewers_stay BEFORE DELETE ON reviewers
BEGIN SELECT raise(ABORT, 'reviewers are revoked, not removed'); END;
CREATE TRIGGER reviewers_end BEFORE UPDATE OF revoked_at ON reviewers WHEN OLD.revoked_at IS NOT NULL
BEGIN SELECT raise(ABORT, 'a revoked reviewer stays revoked'); END;

CREATE TABLE reviewer_tokens (
    hash BLOB PRIMARY KEY,
    reviewer INTEGER NOT NULL REFERENCES reviewers (id),
    created_at INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE login_links (
    hash BLOB PRIMARY KEY,
    reviewer INTEGER NOT NULL REFERENCES reviewers (id),
    expires_at INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE sessions (
    hash BLOB PRIMARY KEY,
    reviewer INTEGER NOT NULL REFERENCES reviewers (id),
    seen_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) WITHOUT ROWID;
