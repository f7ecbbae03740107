CREATE TABLE address (
    id TEXT NOT NULL,
    channel TEXT NOT NULL,
    url_file TEXT NOT NULL,
    CONSTRAINT pk_address PRIMARY KEY (id)
);

CREATE TABLE address_prefix (
    prefix TEXT NOT NULL,
    CONSTRAINT pk_address_prefix PRIMARY KEY (prefix)
);

CREATE TABLE alarm (
    id BLOB NOT NULL,
    organisation TEXT NOT NULL,
    subject TEXT NOT NULL,
    rule TEXT NOT NULL,
    alarm_class TEXT NOT NULL,
    priority INTEGER NOT NULL,
    state TEXT NOT NULL,
    event_at BIGINT NOT NULL,
    raised_at BIGINT NOT NULL,
    presses INTEGER NOT NULL,
    late BOOLEAN NOT NULL,
    simulated BOOLEAN NOT NULL,
    reason TEXT NOT NULL,
    accepted_by TEXT,
    accepted_at BIGINT,
    closed_at BIGINT,
    outcome TEXT,
    open_key TEXT,
    CONSTRAINT pk_alarm PRIMARY KEY (id),
    CONSTRAINT uq_alarm_open_key UNIQUE (open_key)
);

CREATE INDEX ix_alarm_open ON alarm (subject) WHERE open_key IS NOT NULL;

CREATE INDEX ix_alarm_organisation_raised_at ON alarm (organisation, raised_at);

CREATE TABLE assignment (
    seq INTEGER NOT NULL,
    dev_eui TEXT NOT NULL,
    person TEXT NOT NULL,
    valid_from BIGINT NOT NULL,
    valid_until BIGINT,
    seeded BOOLEAN NOT NULL,
    CONSTRAINT pk_assignment PRIMARY KEY (seq)
);

CREATE INDEX ix_assignment_dev_eui ON assignment (dev_eui, valid_from);

CREATE TABLE audit_entry (
    seq INTEGER NOT NULL,
    at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    ref TEXT NOT NULL,
    CONSTRAINT pk_audit_entry PRIMARY KEY (seq)
);

CREATE INDEX ix_audit_entry_at ON audit_entry (at);

CREATE TABLE counter_mark (
    dev_eui TEXT NOT NULL,
    dev_addr TEXT NOT NULL,
    generation INTEGER NOT NULL,
    f_cnt_max BIGINT NOT NULL,
    f_cnt_max_at BIGINT NOT NULL,
    CONSTRAINT pk_counter_mark PRIMARY KEY (dev_eui, dev_addr, generation)
)
 WITHOUT ROWID;

CREATE TABLE cursor (
    name TEXT NOT NULL,
    position BIGINT NOT NULL,
    CONSTRAINT pk_cursor PRIMARY KEY (name)
);

CREATE TABLE device (
    seq INTEGER NOT NULL,
    dev_eui TEXT NOT NULL,
    family TEXT NOT NULL,
    organisation TEXT NOT NULL,
    place TEXT,
    counter_restarts BOOLEAN NOT NULL,
    latitude FLOAT,
    longitude FLOAT,
    valid_from BIGINT NOT NULL,
    valid_until BIGINT,
    CONSTRAINT pk_device PRIMARY KEY (seq)
);

CREATE INDEX ix_device_dev_eui ON device (dev_eui, valid_from);

CREATE TABLE device_event (
    seq INTEGER NOT NULL,
    digest BLOB NOT NULL,
    gateway_eui TEXT NOT NULL,
    dev_eui TEXT NOT NULL,
    kind TEXT NOT NULL,
    content BLOB NOT NULL,
    received_at BIGINT NOT NULL,
    ingested_at BIGINT NOT NULL,
    CONSTRAINT pk_device_event PRIMARY KEY (seq),
    CONSTRAINT uq_device_event_digest_gateway_eui UNIQUE (digest, gateway_eui)
);

CREATE INDEX ix_device_event_dev_eui ON device_event (dev_eui, received_at);

CREATE TABLE fact (
    "key" TEXT NOT NULL,
    value TEXT NOT NULL,
    CONSTRAINT pk_fact PRIMARY KEY ("key")
);

CREATE TABLE foreign_count (
    gateway_eui TEXT NOT NULL,
    frames BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    CONSTRAINT pk_foreign_count PRIMARY KEY (gateway_eui)
);

CREATE TABLE foreign_frame (
    seq INTEGER NOT NULL,
    gateway_eui TEXT NOT NULL,
    dev_addr TEXT NOT NULL,
    content BLOB NOT NULL,
    received_at BIGINT NOT NULL,
    ingested_at BIGINT NOT NULL,
    CONSTRAINT pk_foreign_frame PRIMARY KEY (seq)
);

CREATE INDEX ix_foreign_frame_dev_addr ON foreign_frame (dev_addr);

CREATE INDEX ix_foreign_frame_gateway_eui ON foreign_frame (gateway_eui, seq);

CREATE TABLE gateway (
    eui TEXT NOT NULL,
    name TEXT NOT NULL,
    organisation TEXT NOT NULL,
    place TEXT,
    latitude FLOAT,
    longitude FLOAT,
    simulated BOOLEAN NOT NULL,
    retired_at BIGINT,
    CONSTRAINT pk_gateway PRIMARY KEY (eui)
);

CREATE TABLE gateway_epoch (
    gateway_eui TEXT NOT NULL,
    epoch TEXT NOT NULL,
    watermark BIGINT NOT NULL,
    highest BIGINT NOT NULL,
    last_seq BIGINT NOT NULL,
    waiting TEXT NOT NULL,
    status_at BIGINT,
    committed BIGINT NOT NULL,
    gone BIGINT NOT NULL,
    late BIGINT NOT NULL,
    "conflict" BOOLEAN NOT NULL,
    first_at BIGINT NOT NULL,
    closed_at BIGINT,
    closed_reason TEXT,
    CONSTRAINT pk_gateway_epoch PRIMARY KEY (gateway_eui, epoch)
)
 WITHOUT ROWID;

CREATE TABLE gateway_gone (
    gateway_eui TEXT NOT NULL,
    epoch TEXT NOT NULL,
    first BIGINT NOT NULL,
    last BIGINT NOT NULL,
    reason TEXT NOT NULL,
    at BIGINT NOT NULL,
    CONSTRAINT pk_gateway_gone PRIMARY KEY (gateway_eui, epoch, first)
)
 WITHOUT ROWID;

CREATE TABLE gateway_number (
    gateway_eui TEXT NOT NULL,
    epoch TEXT NOT NULL,
    seq BIGINT NOT NULL,
    kind TEXT NOT NULL,
    digest BLOB NOT NULL,
    CONSTRAINT pk_gateway_number PRIMARY KEY (gateway_eui, epoch, seq)
)
 WITHOUT ROWID;

CREATE TABLE gateway_state (
    gateway_eui TEXT NOT NULL,
    heartbeat_at BIGINT,
    heartbeat_seen_at BIGINT,
    frame_at BIGINT,
    status TEXT,
    status_at BIGINT,
    CONSTRAINT pk_gateway_state PRIMARY KEY (gateway_eui)
)
 WITHOUT ROWID;

CREATE TABLE heard_by (
    subject TEXT NOT NULL,
    gateway_eui TEXT NOT NULL,
    at BIGINT NOT NULL,
    CONSTRAINT pk_heard_by PRIMARY KEY (subject, gateway_eui)
)
 WITHOUT ROWID;

CREATE INDEX ix_heard_by_gateway_eui ON heard_by (gateway_eui);

CREATE TABLE journal (
    position BIGINT NOT NULL,
    kind TEXT NOT NULL,
    ref TEXT NOT NULL,
    at BIGINT NOT NULL,
    CONSTRAINT pk_journal PRIMARY KEY (position)
);

CREATE TABLE journal_head (
    id INTEGER NOT NULL,
    next BIGINT NOT NULL,
    CONSTRAINT pk_journal_head PRIMARY KEY (id)
);

CREATE TABLE latest (
    dev_eui TEXT NOT NULL,
    quantity TEXT NOT NULL,
    channel TEXT NOT NULL,
    value FLOAT NOT NULL,
    quality TEXT NOT NULL,
    at BIGINT NOT NULL,
    uplink BLOB NOT NULL,
    CONSTRAINT pk_latest PRIMARY KEY (dev_eui, quantity, channel)
)
 WITHOUT ROWID;

CREATE TABLE liveness (
    program TEXT NOT NULL,
    at BIGINT NOT NULL,
    since BIGINT NOT NULL,
    CONSTRAINT pk_liveness PRIMARY KEY (program)
);

CREATE TABLE organisation (
    id TEXT NOT NULL,
    parent TEXT,
    name_th TEXT NOT NULL,
    name_en TEXT NOT NULL,
    simulated BOOLEAN NOT NULL,
    "plan" TEXT,
    retired_at BIGINT,
    CONSTRAINT pk_organisation PRIMARY KEY (id)
);

CREATE TABLE person (
    id TEXT NOT NULL,
    organisation TEXT NOT NULL,
    place TEXT,
    seeded BOOLEAN NOT NULL,
    CONSTRAINT pk_person PRIMARY KEY (id)
);

CREATE TABLE place (
    id TEXT NOT NULL,
    organisation TEXT NOT NULL,
    name_th TEXT NOT NULL,
    name_en TEXT NOT NULL,
    latitude FLOAT,
    longitude FLOAT,
    retired_at BIGINT,
    CONSTRAINT pk_place PRIMARY KEY (id)
);

CREATE TABLE "plan" (
    id TEXT NOT NULL,
    repeat_us BIGINT NOT NULL,
    steps TEXT NOT NULL,
    CONSTRAINT pk_plan PRIMARY KEY (id)
);

CREATE TABLE quarantine (
    seq INTEGER NOT NULL,
    reason TEXT NOT NULL,
    detail TEXT NOT NULL,
    topic TEXT NOT NULL,
    content BLOB NOT NULL,
    gateway_eui TEXT,
    dev_addr TEXT,
    digest BLOB NOT NULL,
    copies INTEGER NOT NULL,
    first_at BIGINT NOT NULL,
    last_at BIGINT NOT NULL,
    CONSTRAINT pk_quarantine PRIMARY KEY (seq),
    CONSTRAINT uq_quarantine_digest_reason UNIQUE (digest, reason)
);

CREATE INDEX ix_quarantine_dev_addr ON quarantine (dev_addr);

CREATE TABLE rule_parameter (
    rule TEXT NOT NULL,
    parameter TEXT NOT NULL,
    value FLOAT NOT NULL,
    CONSTRAINT pk_rule_parameter PRIMARY KEY (rule, parameter)
);

CREATE TABLE session (
    seq INTEGER NOT NULL,
    dev_eui TEXT NOT NULL,
    dev_addr TEXT NOT NULL,
    source TEXT NOT NULL,
    keys BLOB NOT NULL,
    keys_digest BLOB NOT NULL,
    valid_from BIGINT NOT NULL,
    CONSTRAINT pk_session PRIMARY KEY (seq),
    CONSTRAINT uq_session_dev_eui_dev_addr_keys_digest UNIQUE (dev_eui, dev_addr, keys_digest)
);

CREATE INDEX ix_session_dev_addr ON session (dev_addr);

CREATE TABLE subject_state (
    subject TEXT NOT NULL,
    event_at BIGINT,
    rules TEXT NOT NULL,
    CONSTRAINT pk_subject_state PRIMARY KEY (subject)
);

CREATE TABLE timer (
    seq INTEGER NOT NULL,
    "key" TEXT NOT NULL,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    rule TEXT NOT NULL,
    alarm BLOB,
    step INTEGER,
    round INTEGER,
    due_at BIGINT NOT NULL,
    lease_until BIGINT,
    lease_by TEXT,
    CONSTRAINT pk_timer PRIMARY KEY (seq),
    CONSTRAINT uq_timer_key UNIQUE ("key")
);

CREATE INDEX ix_timer_due_at ON timer (due_at);

CREATE TABLE uplink (
    seq INTEGER NOT NULL,
    id BLOB NOT NULL,
    dev_eui TEXT NOT NULL,
    dev_addr TEXT NOT NULL,
    generation INTEGER NOT NULL,
    f_cnt BIGINT NOT NULL,
    f_port INTEGER NOT NULL,
    payload BLOB NOT NULL,
    phy_payload BLOB,
    confirmed BOOLEAN NOT NULL,
    origin TEXT NOT NULL,
    organisation TEXT NOT NULL,
    place TEXT,
    subject TEXT NOT NULL,
    received_at BIGINT NOT NULL,
    clock TEXT NOT NULL,
    ingested_at BIGINT NOT NULL,
    late BOOLEAN NOT NULL,
    family TEXT NOT NULL,
    decoder_version INTEGER,
    decoded TEXT,
    decode_error TEXT,
    rule_error TEXT,
    receptions INTEGER NOT NULL,
    CONSTRAINT pk_uplink PRIMARY KEY (seq),
    CONSTRAINT uq_uplink_id UNIQUE (id)
);

CREATE INDEX ix_uplink_dev_eui_received_at ON uplink (dev_eui, received_at);

CREATE INDEX ix_uplink_subject_received_at ON uplink (subject, received_at);

CREATE TABLE user_account (
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    organisation TEXT NOT NULL,
    role TEXT NOT NULL,
    language TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    disabled_at BIGINT,
    CONSTRAINT pk_user_account PRIMARY KEY (id)
);

CREATE TABLE alarm_event (
    seq INTEGER NOT NULL,
    alarm BLOB NOT NULL,
    at BIGINT NOT NULL,
    recorded_at BIGINT NOT NULL,
    change TEXT NOT NULL,
    state TEXT NOT NULL,
    actor TEXT NOT NULL,
    detail TEXT NOT NULL,
    uplink BLOB,
    CONSTRAINT pk_alarm_event PRIMARY KEY (seq),
    CONSTRAINT fk_alarm_event_alarm FOREIGN KEY(alarm) REFERENCES alarm (id)
);

CREATE INDEX ix_alarm_event_alarm ON alarm_event (alarm, seq);

CREATE TABLE notification (
    seq INTEGER NOT NULL,
    id BLOB NOT NULL,
    alarm BLOB NOT NULL,
    step INTEGER NOT NULL,
    round INTEGER NOT NULL,
    channel TEXT NOT NULL,
    address TEXT NOT NULL,
    state TEXT NOT NULL,
    tries INTEGER NOT NULL,
    created_at BIGINT NOT NULL,
    next_at BIGINT NOT NULL,
    sent_at BIGINT,
    error TEXT,
    lease_until BIGINT,
    lease_by TEXT,
    CONSTRAINT pk_notification PRIMARY KEY (seq),
    CONSTRAINT uq_notification_id UNIQUE (id),
    CONSTRAINT fk_notification_alarm FOREIGN KEY(alarm) REFERENCES alarm (id)
);

CREATE INDEX ix_notification_alarm ON notification (alarm);

CREATE INDEX ix_notification_state_next_at ON notification (state, next_at);

CREATE TABLE person_detail (
    person TEXT NOT NULL,
    name TEXT NOT NULL,
    nickname TEXT NOT NULL,
    born TEXT,
    address TEXT NOT NULL,
    landmark TEXT NOT NULL,
    telephone TEXT NOT NULL,
    note TEXT NOT NULL,
    CONSTRAINT pk_person_detail PRIMARY KEY (person),
    CONSTRAINT fk_person_detail_person FOREIGN KEY(person) REFERENCES person (id)
);

CREATE TABLE reception (
    uplink INTEGER NOT NULL,
    gateway_eui TEXT NOT NULL,
    context BLOB NOT NULL,
    epoch TEXT,
    seq BIGINT,
    way TEXT NOT NULL,
    received_at BIGINT NOT NULL,
    received_until BIGINT,
    clock TEXT NOT NULL,
    ingested_at BIGINT NOT NULL,
    rssi INTEGER,
    snr FLOAT,
    frequency BIGINT,
    dr TEXT,
    CONSTRAINT pk_reception PRIMARY KEY (uplink, gateway_eui, context),
    CONSTRAINT fk_reception_uplink FOREIGN KEY(uplink) REFERENCES uplink (seq)
)
 WITHOUT ROWID;

CREATE TABLE sign_in_link (
    digest BLOB NOT NULL,
    user TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at BIGINT,
    CONSTRAINT pk_sign_in_link PRIMARY KEY (digest),
    CONSTRAINT fk_sign_in_link_user FOREIGN KEY(user) REFERENCES user_account (id)
);

CREATE TABLE web_session (
    digest BLOB NOT NULL,
    user TEXT NOT NULL,
    csrf TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    seen_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    revoked_at BIGINT,
    CONSTRAINT pk_web_session PRIMARY KEY (digest),
    CONSTRAINT fk_web_session_user FOREIGN KEY(user) REFERENCES user_account (id)
);
