-- The audit log: what was done to people, operators and settings, and by whom.
--
-- Each row carries the hash of its content and of the row before it, so that a row that is changed, left
-- out, put in or moved later does not fit its neighbours; private.audit_head has the number and hash
-- of the last one, so that a missing end is seen too. Nobody writes here but private.audit; there is
-- no update and no delete, for the owner neither. A superuser can switch triggers off and rewrite the
-- whole chain with its head: against him helps only a hash that was noted elsewhere (docs/privacy.md).
--
-- The chain makes its writers queue up, so it is written at the very end of a transaction, by a
-- deferred trigger: its lock is the last one, and nothing frequent is logged.

-- Says something to the log. p_detail has ids, numbers, hashes and words of our own.
create or replace function private.audit(p_action text, p_subject_id uuid, p_detail jsonb default '{}')
returns void
language plpgsql
volatile
security definer
set search_path = ''
as $$
begin
  -- Not private.now(): nobody sets this clock.
  insert into private.audit_entries (at, actor_id, actor_kind, action, subject_id, detail)
  values (clock_timestamp(), auth.uid(), private.caller_kind(), p_action, p_subject_id, p_detail);
end
$$;

comment on function private.audit(text, uuid, jsonb) is 'Adds a row to the audit log, at the end of the transaction.';
revoke execute on function private.audit(text, uuid, jsonb) from public, anon, authenticated, service_role;

-- The form of a row that is hashed; jsonb writes the same content in the same way always.
create or replace function private.audit_hash(p_row public.audit_log)
returns text
language sql
stable
set search_path = ''
as $$
  select encode(sha256(convert_to(jsonb_build_array(
    p_row.id, to_char(p_row.at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), p_row.actor_id, p_row.actor_kind,
    p_row.action, p_row.subject_id, p_row.detail, p_row.previous_hash
  )::text, 'UTF8')), 'hex')
$$;

comment on function private.audit_hash(public.audit_log) is 'SHA-256, in hex, of a row of the log and of the hash of the one before.';
revoke execute on function private.audit_hash(public.audit_log) from public, anon, authenticated, service_role;

-- The head's row is locked from here to the commit, so this must come after automatic assignment, which
-- may wait at its gate for somebody who waits for this lock. Deferred triggers fire in rounds: those
-- that were queued meanwhile come in the next one. Automatic assignment comes to its gate in the first
-- round, or in the second where the first has given something; so this lets both pass.
create or replace function private.tg_audit_entries__chain()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_head private.audit_head;
  v_row public.audit_log;
begin
  if new.rounds_waited < 2 then
    update private.audit_entries e set rounds_waited = e.rounds_waited + 1 where e.id = new.id;
    return null;
  end if;
  select h.* into strict v_head from private.audit_head h for update;
  v_row := row(
    v_head.count + 1, new.at, new.actor_id, new.actor_kind, new.action, new.subject_id, new.detail, v_head.last_hash, ''
  );
  v_row.hash := private.audit_hash(v_row);
  insert into public.audit_log select v_row.*;
  update private.audit_head h set count = v_row.id, last_hash = v_row.hash where h.is_only;
  delete from private.audit_entries e where e.id = new.id;
  return null;
end
$$;

comment on function private.tg_audit_entries__chain() is 'At commit, appends what was said to the audit log.';
revoke execute on function private.tg_audit_entries__chain() from public, anon, authenticated, service_role;

create or replace function private.tg_refuse_audit_write()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  perform private.refuse('transition_refused', 'The audit log is only ever added to, by what is done.');
  return null;
end
$$;

comment on function private.tg_refuse_audit_write() is 'Refuses every write to the audit log but its own (transition_refused).';
revoke execute on function private.tg_refuse_audit_write() from public, anon, authenticated, service_role;

-- Numbers and yes or no as they are; of a text its hash, since some texts are people's.
create or replace function private.audit_value(p_value jsonb)
returns jsonb
language sql
immutable
set search_path = ''
as $$
  select case when jsonb_typeof(p_value) in ('number', 'boolean', 'null') then p_value
    else to_jsonb(encode(sha256(convert_to(p_value::text, 'UTF8')), 'hex')) end
$$;

comment on function private.audit_value(jsonb) is 'A value as the audit log may keep it.';
revoke execute on function private.audit_value(jsonb) from public, anon, authenticated, service_role;

create or replace function private.tg_settings__audit()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  if new.value is distinct from old.value then
    perform private.audit('setting.changed', null, jsonb_build_object(
      'name', new.name, 'from', private.audit_value(old.value), 'to', private.audit_value(new.value)
    ));
  end if;
  return null;
end
$$;

comment on function private.tg_settings__audit() is 'Logs a change of a setting.';
revoke execute on function private.tg_settings__audit() from public, anon, authenticated, service_role;

-- Who may do what: an operator who joins, leaves, or gets another role or number of hands. His status is
-- no such thing.
create or replace function private.tg_operators__audit()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  if tg_op = 'INSERT' then
    perform private.audit('operator.added', new.id, jsonb_build_object('role', new.role, 'capacity', new.capacity));
    return null;
  elsif tg_op = 'DELETE' then
    perform private.audit('operator.removed', old.id);
    return null;
  end if;
  if new.role <> old.role then
    perform private.audit('operator.role_changed', new.id, jsonb_build_object('from', old.role, 'to', new.role));
  end if;
  if new.capacity <> old.capacity then
    perform private.audit('operator.capacity_changed', new.id, jsonb_build_object('from', old.capacity, 'to', new.capacity));
  end if;
  if new.is_active <> old.is_active then
    perform private.audit(case when new.is_active then 'operator.activated' else 'operator.deactivated' end, new.id);
  end if;
  return null;
end
$$;

comment on function private.tg_operators__audit() is 'Logs operators who join, leave, or may do something else than before.';
revoke execute on function private.tg_operators__audit() from public, anon, authenticated, service_role;

create or replace function private.check_audit_log()
returns table (id bigint, problem text)
language plpgsql
stable
security definer
set search_path = ''
as $$
#variable_conflict use_column
begin
  perform private.require_admin();
  return query
    -- One statement, one look: a row and its head are committed together.
    with head as (
      select coalesce(max(h.count), 0) as count, coalesce(max(h.last_hash), '') as last_hash from private.audit_head h
    ), chain as materialized (
      select
        l.id, l.hash, l.previous_hash, private.audit_hash(l) as true_hash,
        lag(l.id, 1, 0::bigint) over w as id_before, lag(l.hash, 1, '') over w as hash_before
      from public.audit_log l
      window w as (order by l.id)
    )
    select c.id, 'hash_mismatch' from chain c where c.hash <> c.true_hash
    union all
    select c.id, 'chain_broken'
    from chain c cross join head h
    where c.id_before = c.id - 1 and c.previous_hash <> c.hash_before
      or c.id > h.count
      or c.id = h.count and c.hash <> h.last_hash
      or c.id < 1
    union all
    -- Of several that are missing together, the first.
    select c.id_before + 1, 'row_missing' from chain c where c.id_before < c.id - 1
    union all
    select t.last + 1, 'tail_missing'
    from (select coalesce(max(c.id), 0) as last from chain c) t cross join head h
    where t.last < h.count
    order by 1, 2;
end
$$;

revoke execute on function private.check_audit_log() from public, anon;
grant execute on function private.check_audit_log() to authenticated, service_role;

create or replace function public.check_audit_log()
returns table (id bigint, problem text)
language sql
stable
security invoker
set search_path = ''
as $$ select * from private.check_audit_log() $$;

comment on function public.check_audit_log() is 'What is wrong with the audit log; nothing when it is whole. hash_mismatch: a row does not say what it said; chain_broken: it does not follow from the one before, or is not where the log ends; row_missing, tail_missing: from this id on. Admins, the service. Refuses: not_signed_in, not_allowed, operator_inactive.';
revoke execute on function public.check_audit_log() from public, anon;
grant execute on function public.check_audit_log() to authenticated, service_role;

-- By number: newest first, and a page goes on below the last row of the one before.
create or replace function private.list_audit_log(p_cursor bigint, p_limit integer)
returns setof public.audit_log
language plpgsql
stable
security definer
set search_path = ''
as $$
begin
  perform private.require_admin();
  if p_limit is null or p_limit not between 1 and 200 then
    perform private.refuse('invalid_argument', 'p_limit is 1 to 200.');
  end if;
  return query
    select l.* from public.audit_log l
    where p_cursor is null or l.id < p_cursor
    order by l.id desc
    limit p_limit;
end
$$;

revoke execute on function private.list_audit_log(bigint, integer) from public, anon;
grant execute on function private.list_audit_log(bigint, integer) to authenticated, service_role;

create or replace function public.list_audit_log(p_cursor bigint default null, p_limit integer default 50)
returns setof public.audit_log
language sql
stable
security invoker
set search_path = ''
as $$ select * from private.list_audit_log(p_cursor, p_limit) $$;

comment on function public.list_audit_log(bigint, integer) is 'The audit log, newest first; p_cursor: the id of the last row of the page before. At most 200. Admins, the service. Refuses: not_signed_in, not_allowed, operator_inactive, invalid_argument.';
revoke execute on function public.list_audit_log(bigint, integer) from public, anon;
grant execute on function public.list_audit_log(bigint, integer) to authenticated, service_role;

-- Committed before the first row goes out: what is broken off half-way was read, too.
create or replace function private.begin_export(p_what text, p_format text, p_from timestamptz, p_to timestamptz)
returns void
language plpgsql
volatile
security definer
set search_path = ''
as $$
begin
  perform private.require_admin();
  if p_what is null or p_what !~ '^[a-z_]{1,64}$' or p_format is null or p_format not in ('csv', 'json') then
    perform private.refuse('invalid_argument', 'p_what is the name of what is exported, p_format is csv or json.');
  elsif p_from >= p_to then
    perform private.refuse('invalid_argument', 'p_from comes before p_to.');
  end if;
  perform private.audit('data.exported', null, jsonb_build_object(
    'what', p_what, 'format', p_format,
    'from_epoch', extract(epoch from nullif(nullif(p_from, 'infinity'), '-infinity')),
    'to_epoch', extract(epoch from nullif(nullif(p_to, 'infinity'), '-infinity'))
  ));
end
$$;

revoke execute on function private.begin_export(text, text, timestamptz, timestamptz) from public, anon;
grant execute on function private.begin_export(text, text, timestamptz, timestamptz) to authenticated, service_role;

create or replace function public.begin_export(p_what text, p_format text, p_from timestamptz default null, p_to timestamptz default null)
returns void
language sql
volatile
security invoker
set search_path = ''
as $$ select private.begin_export(p_what, p_format, p_from, p_to) $$;

comment on function public.begin_export(text, text, timestamptz, timestamptz) is 'Notes in the audit log that the caller is about to export a table or view, of a span of time or all of it. Admins, the service. Refuses: not_signed_in, not_allowed, operator_inactive, invalid_argument.';
revoke execute on function public.begin_export(text, text, timestamptz, timestamptz) from public, anon;
grant execute on function public.begin_export(text, text, timestamptz, timestamptz) to authenticated, service_role;
