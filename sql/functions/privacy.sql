-- What is kept about a person, for him to have and to erase; and what is erased because it is old.
--
-- docs/privacy.md lists what is kept where. A table that comes to know people has its line in
-- private.forget_person, and its section in private.export_user_data.

create or replace function private.is_erased(p_user_id uuid)
returns boolean
language plpgsql
stable
security definer
set search_path = ''
as $$
begin
  -- Who is just being erased by this transaction is still there for it.
  return exists (
    select from private.erased_people e
    where e.id = p_user_id and e.xid is distinct from pg_current_xact_id_if_assigned()
  );
end
$$;

comment on function private.is_erased(uuid) is 'Whether this person was erased and may still have an access token.';
revoke execute on function private.is_erased(uuid) from public, anon, authenticated, service_role;

-- A customer begins with this row, by whatever way: it is the one place where somebody who was erased
-- has to be stopped. AFTER, since an insert beside his erasure waits for its end only then.
create or replace function private.tg_real_users__refuse_erased()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  if private.is_erased(new.id) then
    perform private.refuse('not_signed_in', 'This account was erased. Sign in anew.');
  end if;
  return null;
end
$$;

comment on function private.tg_real_users__refuse_erased() is 'Refuses to make somebody a customer again who was erased (not_signed_in).';
revoke execute on function private.tg_real_users__refuse_erased() from public, anon, authenticated, service_role;

create or replace function private.erased_among(p_person_ids uuid[])
returns table (person_id uuid)
language sql
stable
security definer
set search_path = ''
as $$ select e.id from private.erased_people e where e.id = any (p_person_ids) $$;

comment on function private.erased_among(uuid[]) is 'Those of these persons who were erased. For the relays.';
revoke execute on function private.erased_among(uuid[]) from public, anon, authenticated;
grant execute on function private.erased_among(uuid[]) to service_role;

-- Himself, or for admins and the service anybody whom something is known of.
create or replace function private.person_asked_for(p_user_id uuid)
returns uuid
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  v_kind text := private.caller_kind();
  v_caller_id uuid := auth.uid();
begin
  if v_kind = 'anonymous' then
    perform private.refuse('not_signed_in');
  elsif v_kind = 'inactive' then
    perform private.refuse('operator_inactive');
  elsif coalesce(p_user_id, v_caller_id) is null then
    perform private.refuse('not_signed_in', 'The service names p_user_id.');
  elsif p_user_id is null or p_user_id is not distinct from v_caller_id then
    return v_caller_id;
  elsif v_kind not in ('admin', 'service') then
    perform private.refuse('not_allowed', 'Only admins may ask for somebody else.');
  elsif not exists (select from auth.users u where u.id = p_user_id)
    and not exists (select from public.real_users u where u.id = p_user_id)
    and not exists (select from public.operators o where o.id = p_user_id)
    and not exists (select from private.connections k where k.person_id = p_user_id)
    and not exists (select from private.erased_people e where e.id = p_user_id)
  then
    perform private.refuse('user_not_found');
  end if;
  return p_user_id;
end
$$;

comment on function private.person_asked_for(uuid) is 'The caller, or whom an admin or the service asks for. Refuses not_signed_in, operator_inactive, not_allowed, user_not_found.';
revoke execute on function private.person_asked_for(uuid) from public, anon, authenticated, service_role;

-- Export: one function a section. What is the staff's (who works on a chat, their notes and reasons, what
-- they wrote before they edited it) is theirs, also where an admin asks for the customer.

create or replace function private.export_account(p_user_id uuid)
returns jsonb
language sql
stable
security definer
set search_path = ''
as $$
  select jsonb_build_object(
    'email', u.email,
    'phone', to_jsonb(u) -> 'phone',  -- a Supabase project knows more than the stand-in
    'is_anonymous', to_jsonb(u) -> 'is_anonymous',
    'user_metadata', u.raw_user_meta_data,
    'app_metadata', u.raw_app_meta_data,
    'created_at', u.created_at,
    'last_sign_in_at', u.last_sign_in_at,
    'sessions', (
      select coalesce(jsonb_agg(jsonb_build_object(
        'created_at', s.created_at,
        'updated_at', s.updated_at,
        'ip', to_jsonb(s) -> 'ip',
        'user_agent', to_jsonb(s) -> 'user_agent'
      ) order by s.created_at, s.id), '[]')
      from auth.sessions s
      where s.user_id = u.id
    )
  )
  from auth.users u
  where u.id = p_user_id
$$;

comment on function private.export_account(uuid) is 'The login of a person and where he is signed in; null without one.';
revoke execute on function private.export_account(uuid) from public, anon, authenticated, service_role;

create or replace function private.export_messages(p_chat public.chats)
returns jsonb
language sql
stable
security definer
set search_path = ''
as $$
  select coalesce(jsonb_agg(
    to_jsonb(private.for_customer(m)) - array['chat_id', 'handled_by_operator_id', 'owed_since']
    || jsonb_build_object('earlier', case when m.sender_id = p_chat.real_user_id then (
      select coalesce(jsonb_agg(jsonb_build_object('content', r.content, 'replaced_at', r.replaced_at) order by r.revision), '[]')
      from public.message_revisions r
      where r.message_id = m.id
    ) else '[]' end)
    order by m.seq
  ), '[]')
  from public.messages m
  where m.chat_id = p_chat.id
$$;

comment on function private.export_messages(public.chats) is 'The messages of a chat as its customer sees them, with what his own said before he edited or deleted them.';
revoke execute on function private.export_messages(public.chats) from public, anon, authenticated, service_role;

create or replace function private.export_chat(p_chat public.chats)
returns jsonb
language sql
stable
security definer
set search_path = ''
as $$
  select to_jsonb(private.for_customer(p_chat))
    - array['real_user_id', 'assigned_operator_id', 'last_operator_id', 'priority', 'let_go_by', 'state_since',
      'last_seq', 'replied_seq', 'event_seq', 'customer_event_seq']
    || jsonb_build_object(
      'ip_address', p_chat.ip_address,
      'fictional_user_name', (select f.name from public.fictional_users f where f.id = p_chat.fictional_user_id),
      'messages', private.export_messages(p_chat),
      'rating', (select to_jsonb(r) - 'chat_id' from public.chat_ratings r where r.chat_id = p_chat.id),
      'read', (
        select jsonb_build_object(
          'customer', max(r.seq) filter (where r.reader_id = p_chat.real_user_id),
          'staff', max(r.seq) filter (where r.reader_id <> p_chat.real_user_id)
        )
        from public.read_marks r
        where r.chat_id = p_chat.id
      ),
      'history', (
        select coalesce(jsonb_agg(jsonb_build_object('at', h.at, 'from_state', h.from_state, 'to_state', h.to_state) order by h.id), '[]')
        from public.chat_history h
        where h.chat_id = p_chat.id and h.from_state is distinct from h.to_state
      )
    )
$$;

comment on function private.export_chat(public.chats) is 'A chat with all that belongs to it, as its customer sees it, and the address that it was started from.';
revoke execute on function private.export_chat(public.chats) from public, anon, authenticated, service_role;

create or replace function private.export_chats(p_user_id uuid)
returns jsonb
language sql
stable
security definer
set search_path = ''
as $$
  select coalesce(jsonb_agg(private.export_chat(c) order by c.created_at, c.id), '[]')
  from public.chats c
  where c.real_user_id = p_user_id
$$;

comment on function private.export_chats(uuid) is 'The chats of a customer.';
revoke execute on function private.export_chats(uuid) from public, anon, authenticated, service_role;

-- What he noted about chats belongs to them, as what he wrote there does.
create or replace function private.export_operator(p_user_id uuid)
returns jsonb
language sql
stable
security definer
set search_path = ''
as $$
  select to_jsonb(o) - 'id' || jsonb_build_object(
    'preferences', (select to_jsonb(a) - 'operator_id' from public.agent_preferences a where a.operator_id = o.id),
    'quick_responses', (
      select coalesce(jsonb_agg(to_jsonb(q) - array['id', 'owner_id'] order by q.shortcut), '[]')
      from public.quick_responses q
      where q.owner_id = o.id
    )
  ) || private.export_workspace(o.id)
  from public.operators o
  where o.id = p_user_id
$$;

comment on function private.export_operator(uuid) is 'An operator''s row, how he has his screen, the answers that he keeps ready for himself, what he has begun to write and put aside; null for others.';
revoke execute on function private.export_operator(uuid) from public, anon, authenticated, service_role;

create or replace function private.export_tickets(p_user_id uuid)
returns jsonb
language sql
stable
security definer
set search_path = ''
as $$
  select coalesce(jsonb_agg(
    to_jsonb(t) - array['real_user_id', 'client_message_id', 'last_seq'] || jsonb_build_object('messages', (
      select coalesce(jsonb_agg(
        to_jsonb(m) - array['ticket_id', 'sender_id'] || jsonb_build_object('sender_id', case when m.sender_type = 'real' then m.sender_id end)
        order by m.seq
      ), '[]')
      from public.ticket_messages m
      where m.ticket_id = t.id
    ))
    order by t.created_at, t.id
  ), '[]')
  from public.tickets t
  where t.real_user_id = p_user_id
$$;

comment on function private.export_tickets(uuid) is 'The tickets of a customer with their messages.';
revoke execute on function private.export_tickets(uuid) from public, anon, authenticated, service_role;

create or replace function private.export_presence(p_user_id uuid)
returns jsonb
language sql
stable
security definer
set search_path = ''
as $$
  select jsonb_build_object(
    'connections', (
      select coalesce(jsonb_agg(jsonb_build_object('is_open', k.is_open, 'seen_at', k.seen_at) order by k.seen_at), '[]')
      from private.connections k
      where k.person_id = p_user_id
    ),
    'last_request_at', (select b.refilled_at from private.rate_buckets b where b.user_id = p_user_id)
  )
$$;

comment on function private.export_presence(uuid) is 'When a person was here last.';
revoke execute on function private.export_presence(uuid) from public, anon, authenticated, service_role;

create or replace function private.export_files(p_user_id uuid)
returns jsonb
language sql
stable
security definer
set search_path = ''
as $$
  select coalesce(jsonb_agg(jsonb_build_object(
    'bucket', o.bucket_id,
    'path', o.name,
    'name', private.file_label(o.name, o.user_metadata),
    'type', o.metadata ->> 'mimetype',
    'size', (o.metadata ->> 'size')::bigint,
    'metadata', o.user_metadata,
    'created_at', o.created_at
  ) order by o.created_at, o.id), '[]')
  from storage.objects o
  where o.owner_id = p_user_id::text and o.bucket_id in ('attachments', 'avatars')
$$;

comment on function private.export_files(uuid) is 'The files that a person has brought, where they are and what he said of them; their bytes are read there.';
revoke execute on function private.export_files(uuid) from public, anon, authenticated, service_role;

create or replace function private.export_workspace(p_user_id uuid)
returns jsonb
language sql
stable
security definer
set search_path = ''
as $$
  select jsonb_build_object(
    'drafts', (
      select coalesce(jsonb_agg(to_jsonb(d) - 'operator_id' order by d.updated_at, d.chat_id), '[]')
      from public.chat_drafts d
      where d.operator_id = p_user_id
    ),
    'snoozes', (
      select coalesce(jsonb_agg(to_jsonb(z) - 'operator_id' order by z.until, z.chat_id), '[]')
      from public.chat_snoozes z
      where z.operator_id = p_user_id
    )
  )
$$;

comment on function private.export_workspace(uuid) is 'What an operator has begun to write and put aside.';
revoke execute on function private.export_workspace(uuid) from public, anon, authenticated, service_role;

create or replace function private.export_user_data(p_user_id uuid)
returns jsonb
language plpgsql
volatile  -- that somebody had it is logged
security definer
set search_path = ''
as $$
declare
  v_id uuid := private.person_asked_for(p_user_id);
  v_chats jsonb;
begin
  if private.is_erased(v_id) then
    if v_id is not distinct from auth.uid() then
      perform private.refuse('not_signed_in', 'This account was erased.');
    end if;
    perform private.refuse('user_not_found');
  end if;
  v_chats := private.export_chats(v_id);
  perform private.audit('user.exported', v_id, jsonb_build_object('chats', jsonb_array_length(v_chats)));
  return jsonb_build_object(
    'user_id', v_id,
    'exported_at', private.now(),
    'account', private.export_account(v_id),
    'customer', (select to_jsonb(u) - 'id' from public.real_users u where u.id = v_id),
    'operator', private.export_operator(v_id),
    'invitation', (
      select private.invitation_row(i) - array['id', 'invited_by', 'invited_by_name']
      from private.operator_invitations i
      where i.id = v_id
    ),
    'chats', v_chats,
    'tickets', private.export_tickets(v_id),
    'files', private.export_files(v_id),
    'host_user', (select h.subject from private.host_users h where h.user_id = v_id),
    'presence', private.export_presence(v_id)
  );
end
$$;

revoke execute on function private.export_user_data(uuid) from public, anon;
grant execute on function private.export_user_data(uuid) to authenticated, service_role;

create or replace function public.export_user_data(p_user_id uuid default null)
returns jsonb
language sql
volatile
security invoker
set search_path = ''
as $$ select private.export_user_data(p_user_id) $$;

comment on function public.export_user_data(uuid) is 'Everything that is kept about a person, as he may see it: {"user_id", "exported_at", "account", "customer", "operator", "invitation", "chats" and "tickets" with their messages, "files", "host_user", "presence"}; docs/privacy.md has it field by field. Oneself (null); admins and the service: anybody. Refuses: not_signed_in (also of one who was erased), operator_inactive, not_allowed, user_not_found.';
revoke execute on function public.export_user_data(uuid) from public, anon;
grant execute on function public.export_user_data(uuid) to authenticated, service_role;

-- Erasure.

-- Everything that knows a person, in the order of locks: his row, his chats, what follows from them. A
-- start of a chat waits for the row, all else for its chat. The row is not locked against foreign keys yet:
-- who updates a chat twice in a transaction is asked for it again, with the chat already in hand; and a chat
-- that plain SQL puts in meanwhile goes with the row. With a chat go its messages, what they said
-- before, notes, read marks, holds, activity, history and events; its operator's hand is free.
create or replace function private.forget_person(p_user_id uuid)
returns jsonb
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
  v_chat_ids uuid[];
  v_ticket_ids uuid[];
  v_messages bigint;
  v_tickets bigint;
  v_files bigint;
  v_sessions bigint;
  v_accounts bigint;
begin
  perform from public.real_users u where u.id = p_user_id for no key update;
  v_chat_ids := array(select c.id from public.chats c where c.real_user_id = p_user_id order by c.id for update);
  -- Before a chat goes: that frees its holder's hand, which is behind the tickets in the order of locks.
  v_ticket_ids := array(select t.id from public.tickets t where t.real_user_id = p_user_id order by t.id for update);
  select count(*) into v_messages from public.messages m where m.chat_id = any (v_chat_ids);
  select count(*) into v_files
  from unnest(v_chat_ids) as c (id)
  join storage.objects o on o.bucket_id = 'attachments'
    and o.name collate "C" > c.id || '/' and o.name collate "C" < c.id || '0';
  delete from public.chats c where c.id = any (v_chat_ids);  -- has the files removed
  delete from public.tickets t where t.id = any (v_ticket_ids);
  get diagnostics v_tickets = row_count;
  delete from public.real_users u where u.id = p_user_id;    -- and who he is to the host page
  delete from private.connections k where k.person_id = p_user_id;
  delete from private.rate_buckets b where b.user_id = p_user_id;
  -- Sessions before their account: who refreshes a token has the session and asks for the account.
  delete from auth.sessions s where s.user_id = p_user_id;
  get diagnostics v_sessions = row_count;
  delete from auth.users u where u.id = p_user_id;
  get diagnostics v_accounts = row_count;
  return jsonb_build_object(
    'chats', cardinality(v_chat_ids), 'messages', v_messages, 'tickets', v_tickets, 'files', v_files, 'sessions', v_sessions, 'accounts', v_accounts
  );
end
$$;

comment on function private.forget_person(uuid) is 'Deletes all that is kept about a person, but for his row as an operator; returns counts.';
revoke execute on function private.forget_person(uuid) from public, anon, authenticated, service_role;

-- What an operator wrote and did belongs to the chats of others. One who has left loses name and face there.
create or replace function private.forget_operator(p_user_id uuid)
returns bigint
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
  v_count bigint;
begin
  delete from private.operator_invitations i
  where i.id = p_user_id or i.email = (select lower(o.email) from public.operators o where o.id = p_user_id);
  update public.operators o
  set name = 'Former operator', email = null, status_reason = null
  where o.id = p_user_id and (o.name, o.email, o.status_reason) is distinct from ('Former operator', null, null);
  get diagnostics v_count = row_count;
  delete from public.agent_preferences a where a.operator_id = p_user_id;
  delete from public.quick_responses q where q.owner_id = p_user_id;
  delete from public.chat_mentions m where m.operator_id = p_user_id;
  delete from public.chat_drafts d where d.operator_id = p_user_id;
  delete from public.chat_snoozes z where z.operator_id = p_user_id;
  insert into private.file_removals (bucket_id, name)
  select o.bucket_id, o.name
  from storage.objects o
  where o.bucket_id = 'avatars'
    and o.name collate "C" > p_user_id || '/' and o.name collate "C" < p_user_id || '0'
  on conflict do nothing;
  return v_count;
end
$$;

comment on function private.forget_operator(uuid) is 'Takes name, address, face, invitation and what was his alone from a deactivated operator; returns 1 if there was any.';
revoke execute on function private.forget_operator(uuid) from public, anon, authenticated, service_role;

create or replace function private.erase_user_data(p_user_id uuid)
returns jsonb
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
  v_id uuid := private.person_asked_for(p_user_id);
  v_is_active boolean;
  v_is_first boolean;
  v_erased jsonb;
begin
  select o.is_active into v_is_active from public.operators o where o.id = v_id for no key update;
  if v_is_active then
    perform private.refuse('operator_active');
  end if;
  insert into private.erased_people (id) values (v_id) on conflict (id) do nothing;
  v_is_first := found;
  if v_is_first then
    -- He may just be starting his first chat: then this waits for it, or that for this. And with his row
    -- go his sockets, also where he had none.
    insert into public.real_users (id) values (v_id) on conflict (id) do nothing;
  end if;
  v_erased := private.forget_person(v_id) || jsonb_build_object('operators', private.forget_operator(v_id));
  if v_is_first or exists (select from jsonb_each_text(v_erased) e where e.value <> '0') then
    perform private.audit('user.erased', v_id, v_erased);
  end if;
  return v_erased;
end
$$;

revoke execute on function private.erase_user_data(uuid) from public, anon;
grant execute on function private.erase_user_data(uuid) to authenticated, service_role;

create or replace function public.erase_user_data(p_user_id uuid default null)
returns jsonb
language sql
volatile
security invoker
set search_path = ''
as $$ select private.erase_user_data(p_user_id) $$;

comment on function public.erase_user_data(uuid) is 'Erases a person for good: his chats with all that belongs to them, his tickets, his sessions and his account; of an operator who is deactivated the account and the name. Returns how much it was: {"chats", "messages", "tickets", "files", "sessions", "accounts", "operators"}; twice is harmless. Oneself (null); admins and the service: anybody. Refuses: not_signed_in, operator_inactive, not_allowed, user_not_found, operator_active.';
revoke execute on function public.erase_user_data(uuid) from public, anon;
grant execute on function public.erase_user_data(uuid) to authenticated, service_role;

-- Retention: what is old goes by itself, some of it at a time, so that no run holds its locks for long;
-- what is locked is passed over until the next one.

create or replace function private.retention_limit(p_setting text)
returns timestamptz
language sql
volatile
security definer
set search_path = ''
as $$
  -- A number may be larger than there have been days.
  select private.now() - least(nullif(private.setting(p_setting)::double precision, 0), 100000) * interval '1 day'
$$;

comment on function private.retention_limit(text) is 'What is older than this is erased, by that setting; null: nothing is.';
revoke execute on function private.retention_limit(text) from public, anon, authenticated, service_role;

create or replace function private.erase_old_chats(p_before timestamptz, p_limit integer)
returns bigint
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
  v_count bigint;
begin
  delete from public.chats c
  where c.id = any (array(
    select o.id from public.chats o
    where o.chat_state = 'completed' and o.created_at < p_before
      and greatest(o.state_since, o.last_message_at) < p_before
    order by o.created_at, o.id
    limit p_limit
    for update skip locked
  ));
  get diagnostics v_count = row_count;
  return v_count;
end
$$;

comment on function private.erase_old_chats(timestamptz, integer) is 'Erases chats that were completed, and last written in, before then; returns how many.';
revoke execute on function private.erase_old_chats(timestamptz, integer) from public, anon, authenticated, service_role;

create or replace function private.erase_old_tickets(p_before timestamptz, p_limit integer)
returns bigint
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
  v_count bigint;
begin
  delete from public.tickets t
  where t.id = any (array(
    select o.id from public.tickets o
    where o.status in ('resolved', 'closed') and o.created_at < p_before and o.updated_at < p_before
    order by o.created_at, o.id
    limit p_limit
    for update skip locked
  ));
  get diagnostics v_count = row_count;
  return v_count;
end
$$;

comment on function private.erase_old_tickets(timestamptz, integer) is 'Erases tickets that were resolved or closed, and last changed, before then; returns how many.';
revoke execute on function private.erase_old_tickets(timestamptz, integer) from public, anon, authenticated, service_role;

-- Only where the login is Baton's own: a Supabase project may have other visitors than ours. A session that
-- is used while this looks has another updated_at when it is its turn, and so has the account of one
-- that signs in.
create or replace function private.erase_old_accounts(p_before timestamptz, p_limit integer)
returns bigint
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
  v_ids uuid[];
  v_count bigint;
begin
  if to_regprocedure('auth.run_clean_up()') is null then
    return 0;
  end if;
  v_ids := array(
    select u.id from auth.users u
    where u.is_anonymous and greatest(u.created_at, u.last_sign_in_at) < p_before
      and not exists (select from auth.sessions s where s.user_id = u.id and s.updated_at >= p_before)
      and not exists (select from public.chats c where c.real_user_id = u.id)
      and not exists (select from public.tickets t where t.real_user_id = u.id)
      and not exists (select from public.operators o where o.id = u.id)
    limit p_limit
  );
  delete from auth.sessions s where s.user_id = any (v_ids) and s.updated_at < p_before;
  delete from auth.users u
  where u.id = any (v_ids) and greatest(u.created_at, u.last_sign_in_at) < p_before
    and not exists (select from auth.sessions s where s.user_id = u.id);
  get diagnostics v_count = row_count;
  return v_count;
end
$$;

comment on function private.erase_old_accounts(timestamptz, integer) is 'Erases the logins of anonymous visitors without a chat or ticket who were here before then only; returns how many.';
revoke execute on function private.erase_old_accounts(timestamptz, integer) from public, anon, authenticated, service_role;

create or replace function private.erase_old_visitors(p_before timestamptz, p_limit integer)
returns bigint
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
  v_ids uuid[];
  v_count bigint;
begin
  v_ids := array(
    select u.id from public.real_users u
    where u.is_anonymous and u.created_at < p_before
      -- A name that he has not given himself is somebody's who was brought here by other means.
      and (u.introduced_at < p_before or u.name is null and u.email is null)
      and not exists (select from public.chats c where c.real_user_id = u.id)
      and not exists (select from public.tickets t where t.real_user_id = u.id)
      and not exists (select from auth.users a where a.id = u.id)
    limit p_limit
    for update skip locked
  );
  -- A chat or a ticket may have been made between the look and the lock.
  delete from public.real_users u
  where u.id = any (v_ids)
    and not exists (select from public.chats c where c.real_user_id = u.id)
    and not exists (select from public.tickets t where t.real_user_id = u.id);
  get diagnostics v_count = row_count;
  return v_count;
end
$$;

comment on function private.erase_old_visitors(timestamptz, integer) is 'Erases the rows of anonymous customers, made before then, who have neither a chat nor a ticket nor a login; returns how many.';
revoke execute on function private.erase_old_visitors(timestamptz, integer) from public, anon, authenticated, service_role;

create or replace function private.erase_old_revisions(p_before timestamptz, p_limit integer)
returns bigint
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
  v_count bigint;
begin
  with old as (
    select r.message_id, r.revision
    from public.message_revisions r
    where r.replaced_at < p_before
    limit p_limit
    for update skip locked
  )
  delete from public.message_revisions r using old o where r.message_id = o.message_id and r.revision = o.revision;
  get diagnostics v_count = row_count;
  return v_count;
end
$$;

comment on function private.erase_old_revisions(timestamptz, integer) is 'Erases what messages said before they were changed, where that was before then; returns how many.';
revoke execute on function private.erase_old_revisions(timestamptz, integer) from public, anon, authenticated, service_role;

create or replace function private.run_retention()
returns bigint
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
  v_visitors_before timestamptz := private.retention_limit('visitor_retention_days');
  v_erased jsonb := jsonb_build_object(
    'chats', private.erase_old_chats(private.retention_limit('chat_retention_days'), 1000),
    'tickets', private.erase_old_tickets(private.retention_limit('ticket_retention_days'), 1000),
    'revisions', private.erase_old_revisions(private.retention_limit('revision_retention_days'), 10000),
    'accounts', private.erase_old_accounts(v_visitors_before, 1000),
    'visitors', private.erase_old_visitors(v_visitors_before, 1000)
  );
  v_total bigint := (select sum(e.value::bigint) from jsonb_each_text(v_erased) e);
begin
  if v_total > 0 then
    perform private.audit('retention.applied', null, v_erased);
  end if;
  return v_total;
end
$$;

comment on function private.run_retention() is 'Erases what is older than the settings chat_retention_days, ticket_retention_days, visitor_retention_days and revision_retention_days say, at most 1,000 chats, tickets and visitors and 10,000 earlier texts at once; returns how much. A job of the service.';
revoke execute on function private.run_retention() from public, anon, authenticated;
grant execute on function private.run_retention() to service_role;
