-- What an operator's screen is made of: lists of chats, what he has begun to write, what he has put aside.
--
-- A chat looks the same in every list, over HTTP and in the frames of live events: private.shared_rows has
-- what is the same for everybody who may see it, private.own_marks what is each one's own. A change that is
-- no event of the chat (put aside, an idle deadline that moves, the customer has come) is told to the relays
-- by the signal list.changed.

-- Drafts.

create or replace function private.save_draft(p_chat_id uuid, p_content text)
returns void
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
  v_operator_id uuid := private.require_operator();
begin
  perform private.find_chat(p_chat_id);
  if octet_length(p_content) > 65536 then
    perform private.refuse('content_too_long');
  elsif coalesce(p_content, '') = '' then
    delete from public.chat_drafts d where d.chat_id = p_chat_id and d.operator_id = v_operator_id;
  else
    -- No more of a lock than the foreign key takes, which is in nobody's way: he saves while he types. Whoever
    -- is just erasing the chat is waited for here, so that it is a chat that is not found.
    perform from public.chats c where c.id = p_chat_id for key share;
    if not found then
      perform private.refuse('chat_not_found');
    end if;
    insert into public.chat_drafts as d (chat_id, operator_id, content, updated_at)
    values (p_chat_id, v_operator_id, p_content, private.now())
    on conflict (chat_id, operator_id) do update set content = excluded.content, updated_at = excluded.updated_at;
  end if;
end
$$;

revoke execute on function private.save_draft(uuid, text) from public, anon;
grant execute on function private.save_draft(uuid, text) to authenticated, service_role;

create or replace function public.save_draft(p_chat_id uuid, p_content text)
returns void
language sql
volatile
security invoker
set search_path = ''
as $$ select private.save_draft(p_chat_id, p_content) $$;

comment on function public.save_draft(uuid, text) is 'Keeps what the operator has begun to write in a chat that he may see, at most 65,536 bytes; an empty text or null forgets it, and so does his reply. Refuses: not_signed_in, not_allowed, operator_inactive, chat_not_found, content_too_long.';
revoke execute on function public.save_draft(uuid, text) from public, anon;
grant execute on function public.save_draft(uuid, text) to authenticated, service_role;

create or replace function private.get_draft(p_chat_id uuid)
returns setof public.chat_drafts
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  v_operator_id uuid := private.require_operator();
begin
  perform private.find_chat(p_chat_id);
  return query
    select d.* from public.chat_drafts d where d.chat_id = p_chat_id and d.operator_id = v_operator_id;
end
$$;

revoke execute on function private.get_draft(uuid) from public, anon;
grant execute on function private.get_draft(uuid) to authenticated, service_role;

create or replace function public.get_draft(p_chat_id uuid)
returns setof public.chat_drafts
language sql
stable
security invoker
set search_path = ''
as $$ select * from private.get_draft(p_chat_id) $$;

comment on function public.get_draft(uuid) is 'What the operator has begun to write in the chat: one row, or none. Refuses: not_signed_in, not_allowed, operator_inactive, chat_not_found.';
revoke execute on function public.get_draft(uuid) from public, anon;
grant execute on function public.get_draft(uuid) to authenticated, service_role;

-- Snoozes.

create or replace function private.note_list(p_chat_id uuid, p_person_id uuid default null)
returns void
language sql
volatile
security definer
set search_path = ''
as $$ insert into private.events (chat_id, event, person_id) values (p_chat_id, 'list.changed', p_person_id) $$;

comment on function private.note_list(uuid, uuid) is 'Signals that the chat looks different in this person''s lists; null: in everybody''s.';
revoke execute on function private.note_list(uuid, uuid) from public, anon, authenticated, service_role;

-- His newest alone: somebody who has begun thousands makes nobody's screen fetch its lists afresh.
create or replace function private.note_chats_of(p_customer_ids uuid[])
returns void
language plpgsql
volatile
security definer
set search_path = ''
as $$
begin
  perform private.note_list(c.id)
  from unnest(p_customer_ids) as u (id)
  cross join lateral (
    select x.id from public.chats x
    where x.real_user_id = u.id and x.chat_state <> 'completed'
    order by x.created_at desc, x.id desc
    limit 20
  ) c;
end
$$;

comment on function private.note_chats_of(uuid[]) is 'Signals that the open chats of these customers, the newest 20 of each, look different in lists.';
revoke execute on function private.note_chats_of(uuid[]) from public, anon, authenticated, service_role;

-- Of a customer who says who he is, or is renamed.
create or replace function private.tg_real_users__note_lists()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  perform private.note_chats_of(array[new.id]);
  return null;
end
$$;

comment on function private.tg_real_users__note_lists() is 'Signals that the customer''s chats look different in lists.';
revoke execute on function private.tg_real_users__note_lists() from public, anon, authenticated, service_role;

-- Nobody puts aside what somebody waits for.
create or replace function private.check_snooze(p_chat public.chats, p_operator_id uuid)
returns void
language plpgsql
volatile
set search_path = ''
as $$
begin
  if p_chat.chat_state = 'completed' then
    perform private.refuse('chat_completed');
  elsif p_chat.chat_state = 'waiting_assignment' then
    perform private.refuse('chat_owed');
  elsif p_chat.chat_state = 'assigned' then
    perform private.require_holder(p_chat, p_operator_id);
    if p_chat.owed_since is not null then
      perform private.refuse('chat_owed');
    end if;
  end if;
end
$$;

comment on function private.check_snooze(public.chats, uuid) is 'Refuses a chat that this operator may not put aside now: chat_completed, chat_owed, not_the_holder.';
revoke execute on function private.check_snooze(public.chats, uuid) from public, anon, authenticated, service_role;

create or replace function private.snooze_chat(p_chat_id uuid, p_until timestamptz)
returns public.chat_snoozes
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
  v_operator_id uuid := private.require_operator();
  v_now timestamptz := private.now();
  v_snooze public.chat_snoozes;
begin
  if p_until is null or p_until <= v_now or p_until > v_now + interval '1 year' then
    perform private.refuse('invalid_argument', 'p_until is a time in the future, within a year.');
  end if;
  -- Looked at first: whoever looks for a waiting chat passes over one that is locked, if only to refuse it.
  perform private.check_snooze(private.find_chat(p_chat_id), v_operator_id);
  perform private.check_snooze(private.lock_chat(p_chat_id), v_operator_id);
  insert into public.chat_snoozes as z (chat_id, operator_id, until, created_at)
  values (p_chat_id, v_operator_id, p_until, v_now)
  on conflict (chat_id, operator_id) do update set until = excluded.until, created_at = excluded.created_at
  returning z.* into v_snooze;
  perform private.note_list(p_chat_id, v_operator_id);
  return v_snooze;
end
$$;

revoke execute on function private.snooze_chat(uuid, timestamptz) from public, anon;
grant execute on function private.snooze_chat(uuid, timestamptz) to authenticated, service_role;

create or replace function public.snooze_chat(p_chat_id uuid, p_until timestamptz)
returns public.chat_snoozes
language sql
volatile
security invoker
set search_path = ''
as $$ select private.snooze_chat(p_chat_id, p_until) $$;

comment on function public.snooze_chat(uuid, timestamptz) is 'The operator puts a chat aside, for himself alone, until then (within a year): one that waits for its customer, or that he holds while nothing is owed. It ends with its time, when the customer writes, when the chat is given to somebody, or is completed. Refuses: not_signed_in, not_allowed, operator_inactive, chat_not_found, chat_completed, chat_owed, not_the_holder, invalid_argument.';
revoke execute on function public.snooze_chat(uuid, timestamptz) from public, anon;
grant execute on function public.snooze_chat(uuid, timestamptz) to authenticated, service_role;

create or replace function private.unsnooze_chat(p_chat_id uuid)
returns void
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
  v_operator_id uuid := private.require_operator();
begin
  perform private.find_chat(p_chat_id);
  delete from public.chat_snoozes z where z.chat_id = p_chat_id and z.operator_id = v_operator_id;
  if found then
    perform private.note_list(p_chat_id, v_operator_id);
  end if;
end
$$;

revoke execute on function private.unsnooze_chat(uuid) from public, anon;
grant execute on function private.unsnooze_chat(uuid) to authenticated, service_role;

create or replace function public.unsnooze_chat(p_chat_id uuid)
returns void
language sql
volatile
security invoker
set search_path = ''
as $$ select private.unsnooze_chat(p_chat_id) $$;

comment on function public.unsnooze_chat(uuid) is 'The operator takes a chat up again that he had put aside; one that he had not stays as it is. Refuses: not_signed_in, not_allowed, operator_inactive, chat_not_found.';
revoke execute on function public.unsnooze_chat(uuid) from public, anon;
grant execute on function public.unsnooze_chat(uuid) to authenticated, service_role;

-- Called by what changes the chat, which has it locked; an event of the chat tells the screens.
create or replace function private.end_snoozes(p_chat_id uuid)
returns void
language plpgsql
volatile
security definer
set search_path = ''
as $$
begin
  delete from public.chat_snoozes z where z.chat_id = p_chat_id;
end
$$;

comment on function private.end_snoozes(uuid) is 'Nobody has the chat put aside any more.';
revoke execute on function private.end_snoozes(uuid) from public, anon, authenticated, service_role;

-- Lists count them no more from their very time on; this tells the screens.
create or replace function private.run_snooze_end()
returns bigint
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
  v_count bigint;
begin
  with ended as (
    select z.chat_id, z.operator_id
    from public.chat_snoozes z
    where z.until <= private.now()
    order by z.until
    limit 1000
    for update skip locked
  ), removed as (
    delete from public.chat_snoozes z
    using ended e
    where z.chat_id = e.chat_id and z.operator_id = e.operator_id
    returning z.chat_id, z.operator_id
  )
  insert into private.events (chat_id, event, person_id)
  select r.chat_id, 'list.changed', r.operator_id from removed r;
  get diagnostics v_count = row_count;
  return v_count;
end
$$;

comment on function private.run_snooze_end() is 'Ends the snoozes whose time has come, at most 1,000 at once; returns how many. A job of the service.';
revoke execute on function private.run_snooze_end() from public, anon, authenticated;
grant execute on function private.run_snooze_end() to service_role;

-- Rows of lists.

-- What was said, on one line; of files without words their names.
create or replace function private.preview(p_content text, p_attachments jsonb)
returns text
language plpgsql
immutable
set search_path = ''
as $$
declare
  -- A message may be long: its beginning is enough. An expression for all white space would cost more than
  -- all the rest of the row.
  v_text text := trim(translate(left(p_content, 1000), E'\n\r\t\v\f\u0085\u00a0\u2028\u2029', '         '));
begin
  if position('  ' in v_text) > 0 then
    v_text := regexp_replace(v_text, ' {2,}', ' ', 'g');
  elsif v_text = '' then
    v_text := (select string_agg(a.value ->> 'name', ', ') from jsonb_array_elements(p_attachments) a);
  end if;
  return left(coalesce(v_text, ''), 160);
end
$$;

comment on function private.preview(text, jsonb) is 'The beginning of a message as a list shows it: one line, at most 160 characters.';
revoke execute on function private.preview(text, jsonb) from public, anon, authenticated, service_role;

-- By keys alone, as private.read_events, whatever the planner thinks of the tables' sizes.
create or replace function private.shared_rows(p_chat_ids uuid[])
returns table (chat_id uuid, list_row jsonb)
language plpgsql
stable
security definer
set search_path = ''
set enable_seqscan = off
as $$
declare
  v_now timestamptz := private.now();
begin
  return query
    select c.id, jsonb_build_object(
      'id', c.id, 'chat_state', c.chat_state, 'handling', c.handling, 'priority', c.priority,
      'real_user_id', c.real_user_id, 'fictional_user_id', c.fictional_user_id,
      'assigned_operator_id', c.assigned_operator_id, 'last_operator_id', c.last_operator_id,
      'waiting_since', c.waiting_since, 'assignment_time', c.assignment_time,
      'operator_replied_at', c.operator_replied_at, 'last_message_at', c.last_message_at,
      'created_at', c.created_at, 'state_since', c.state_since, 'owed_since', c.owed_since,
      'headline', c.headline, 'event_seq', c.event_seq,
      'customer_name', u.name, 'customer_email', u.email,
      'holder_name', h.name, 'last_operator_name', l.name, 'persona_name', f.name,
      'last_message', case when m.seq is not null then jsonb_build_object(
        'seq', m.seq, 'sender_type', m.sender_type, 'preview', m.preview, 'created_at', m.created_at
      ) end,
      'note_count', (select count(*) from public.chat_notes n where n.chat_id = c.id and n.deleted_at is null),
      'rating', (select r.score from public.chat_ratings r where r.chat_id = c.id),
      -- No exists: that may be answered by reading everybody's connections.
      'customer_connected', coalesce((
        select true from private.connections k
        where k.person_id = c.real_user_id and k.is_open and k.lease_until > v_now
        limit 1
      ), false)
    )
    from public.chats c
    join public.real_users u on u.id = c.real_user_id
    left join public.operators h on h.id = c.assigned_operator_id
    left join public.operators l on l.id = c.last_operator_id
    left join public.fictional_users f on f.id = c.fictional_user_id
    left join lateral (
      select x.seq, x.sender_type, private.preview(x.content, x.attachments) as preview, x.created_at
      from public.messages x
      where x.chat_id = c.id and x.deleted_at is null
      order by x.seq desc
      limit 1
    ) m on true
    where c.id = any (p_chat_ids);
end
$$;

comment on function private.shared_rows(uuid[]) is 'Of rows of lists what is the same for everybody who may see the chat. Checks nobody.';
revoke execute on function private.shared_rows(uuid[]) from public, anon, authenticated, service_role;

-- For pairs of chat and person. What is asked of a chat is asked once, however many see it; what is unread
-- is counted once for all who have read equally far, and no further than to 100.
create or replace function private.own_marks(p_chat_ids uuid[], p_person_ids uuid[])
returns table (chat_id uuid, person_id uuid, unread_count bigint, snoozed_until timestamptz, idle_at timestamptz)
language plpgsql
stable
security definer
set search_path = ''
set enable_seqscan = off
as $$
declare
  v_now timestamptz := private.now();
  v_idle_limit interval := private.setting('idle_limit')::interval;
begin
  return query
    with pairs as materialized (
      select t.chat_id, t.person_id from unnest(p_chat_ids, p_person_ids) as t (chat_id, person_id)
    ), asked as materialized (
      select distinct p.chat_id from pairs p
    ), holds as materialized (
      select c.id, c.assigned_operator_id, private.idle_at(c, v_idle_limit) as idle_at
      from asked d
      join public.chats c on c.id = d.chat_id
      where c.assigned_operator_id is not null
    ), reads as materialized (
      select r.chat_id, r.reader_id, r.seq from asked d join public.read_marks r on r.chat_id = d.chat_id
    ), snoozes as materialized (
      select z.chat_id, z.operator_id, z.until
      from asked d join public.chat_snoozes z on z.chat_id = d.chat_id
      where z.until > v_now
    ), seen as materialized (
      select p.chat_id, p.person_id, coalesce(r.seq, 0) as read_seq
      from pairs p
      left join reads r on r.chat_id = p.chat_id and r.reader_id = p.person_id
    ), unread as materialized (
      select d.chat_id, d.read_seq, n.count
      from (select distinct s.chat_id, s.read_seq from seen s) d
      cross join lateral (
        select count(*) as count
        from (
          select from public.messages m
          where m.chat_id = d.chat_id and m.seq > d.read_seq and m.sender_type = 'real' and m.deleted_at is null
          limit 100
        ) x
      ) n
    )
    select s.chat_id, s.person_id, u.count, z.until, h.idle_at
    from seen s
    join unread u on u.chat_id = s.chat_id and u.read_seq = s.read_seq
    left join holds h on h.id = s.chat_id and h.assigned_operator_id = s.person_id
    left join snoozes z on z.chat_id = s.chat_id and z.operator_id = s.person_id;
end
$$;

comment on function private.own_marks(uuid[], uuid[]) is 'Of rows of lists what is each person''s own, for pairs of chat and person: what the customer wrote that he has not read (up to 100), until when he has put it aside, when his hold is idle. Checks nobody.';
revoke execute on function private.own_marks(uuid[], uuid[]) from public, anon, authenticated, service_role;

create or replace function private.list_rows(p_chat_ids uuid[], p_person_id uuid)
returns table (chat_id uuid, list_row jsonb)
language plpgsql
stable
security definer
set search_path = ''
as $$
begin
  return query
    select
      s.chat_id,
      s.list_row || jsonb_build_object('unread_count', m.unread_count, 'snoozed_until', m.snoozed_until, 'idle_at', m.idle_at)
    from unnest(p_chat_ids) with ordinality as t (chat_id, "position")
    join private.shared_rows(p_chat_ids) s on s.chat_id = t.chat_id
    join private.own_marks(p_chat_ids, array_fill(p_person_id, array[cardinality(p_chat_ids)])) m on m.chat_id = t.chat_id
    order by t."position";
end
$$;

comment on function private.list_rows(uuid[], uuid) is 'These chats as rows of this person''s lists, in this order. Whether he may see them is for the caller to know.';
revoke execute on function private.list_rows(uuid[], uuid) from public, anon, authenticated, service_role;

-- Boxes.

-- The chats of a box behind a cursor, in its order. Of those that he only had last, or put aside, he is
-- asked again whether he may see them: plain SQL may have named him, and an admin may be one no longer.
create or replace function private.box_page(
  p_box text, p_operator_id uuid, p_priority integer, p_at timestamptz, p_id uuid, p_limit integer
)
returns table (id uuid, priority integer, at timestamptz)
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  v_now timestamptz := private.now();
  v_kind text := private.kind_of(p_operator_id);
begin
  case p_box
    when 'held' then
      return query
        select c.id, null::integer, c.assignment_time from public.chats c
        where c.chat_state = 'assigned' and c.assigned_operator_id = p_operator_id
          and (p_id is null or (c.assignment_time, c.id) > (p_at, p_id))
        order by c.assignment_time, c.id
        limit p_limit;
    when 'waiting_customer' then
      return query
        select c.id, null::integer, c.operator_replied_at from public.chats c
        where c.chat_state = 'waiting_real_user_reply' and c.last_operator_id = p_operator_id
          and (p_id is null or (c.operator_replied_at, c.id) < (p_at, p_id))
          and private.may_see(c, p_operator_id, v_kind)
          and not exists (
            select from public.chat_snoozes z where z.chat_id = c.id and z.operator_id = p_operator_id and z.until > v_now
          )
        order by c.operator_replied_at desc, c.id desc
        limit p_limit;
    when 'snoozed' then
      return query
        select c.id, null::integer, z.until
        from public.chat_snoozes z join public.chats c on c.id = z.chat_id
        where z.operator_id = p_operator_id and z.until > v_now
          and (p_id is null or (z.until, z.chat_id) > (p_at, p_id))
          and private.may_see(c, p_operator_id, v_kind)
        order by z.until, z.chat_id
        limit p_limit;
    when 'queue' then
      return query
        select c.id, c.priority, c.waiting_since from public.chats c
        where c.chat_state = 'waiting_assignment'
          and (p_id is null or c.priority < p_priority or c.priority = p_priority and (c.waiting_since, c.id) > (p_at, p_id))
        order by c.priority desc, c.waiting_since, c.id
        limit p_limit;
    when 'done' then
      return query
        select c.id, null::integer, c.state_since from public.chats c
        where c.chat_state = 'completed' and c.last_operator_id = p_operator_id
          and (p_id is null or (c.state_since, c.id) < (p_at, p_id))
          and private.may_see(c, p_operator_id, v_kind)
        order by c.state_since desc, c.id desc
        limit p_limit;
    when 'mentions' then
      return query
        select c.id, null::integer, x.at
        from (
          select m.chat_id, max(m.created_at) as at
          from public.chat_mentions m
          where m.operator_id = p_operator_id and m.read_at is null
          group by m.chat_id
        ) x
        join public.chats c on c.id = x.chat_id
        where (p_id is null or (x.at, c.id) < (p_at, p_id))
          and private.may_see(c, p_operator_id, v_kind)
        order by x.at desc, c.id desc
        limit p_limit;
    when 'all' then
      return query
        select c.id, null::integer, c.created_at from public.chats c
        where c.chat_state <> 'completed'
          and (p_id is null or (c.created_at, c.id) < (p_at, p_id))
        order by c.created_at desc, c.id desc
        limit p_limit;
  end case;
end
$$;

comment on function private.box_page(text, uuid, integer, timestamptz, uuid, integer) is 'The chats of this operator''s box after one of these values, in its order, with what it is ordered by.';
revoke execute on function private.box_page(text, uuid, integer, timestamptz, uuid, integer) from public, anon, authenticated, service_role;

create or replace function private.box_rows(
  p_box text, p_operator_id uuid, p_priority integer, p_at timestamptz, p_id uuid, p_limit integer
)
returns setof jsonb
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  v_ids uuid[];
  v_cursors jsonb[];
begin
  select array_agg(p.id), array_agg(jsonb_build_object('priority', p.priority, 'at', p.at, 'id', p.id))
  into v_ids, v_cursors
  from private.box_page(p_box, p_operator_id, p_priority, p_at, p_id, p_limit) p;
  return query
    select r.list_row || jsonb_build_object('cursor', t.cursor)
    from unnest(v_ids, v_cursors) with ordinality as t (chat_id, cursor, "position")
    join private.list_rows(v_ids, p_operator_id) r on r.chat_id = t.chat_id
    order by t."position";
end
$$;

comment on function private.box_rows(text, uuid, integer, timestamptz, uuid, integer) is 'The rows of private.box_page, each with its cursor.';
revoke execute on function private.box_rows(text, uuid, integer, timestamptz, uuid, integer) from public, anon, authenticated, service_role;

create or replace function private.list_box(p_box text, p_cursor jsonb, p_limit integer)
returns setof jsonb
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  v_operator_id uuid := private.require_operator();
  v_priority integer;
  v_at timestamptz;
  v_id uuid;
begin
  if p_box is null or p_box not in ('held', 'waiting_customer', 'snoozed', 'queue', 'done', 'mentions', 'all') then
    perform private.refuse('invalid_argument', 'p_box is held, waiting_customer, snoozed, queue, done, mentions or, for admins, all.');
  elsif p_limit is null or p_limit not between 1 and 500 then
    perform private.refuse('invalid_argument', 'p_limit is 1 to 500.');
  elsif p_box = 'all' and not private.is_admin() then
    perform private.refuse('not_allowed', 'Only admins see all chats.');
  end if;
  if p_cursor is not null then
    begin
      v_priority := (p_cursor ->> 'priority')::integer;
      v_at := (p_cursor ->> 'at')::timestamptz;
      v_id := (p_cursor ->> 'id')::uuid;
    exception when data_exception then
      v_id := null;
    end;
    if v_at is null or v_id is null or p_box = 'queue' and v_priority is null then
      perform private.refuse('invalid_argument', 'p_cursor is the cursor of the last row of the page before.');
    end if;
  end if;
  return query select r from private.box_rows(p_box, v_operator_id, v_priority, v_at, v_id, p_limit) r;
end
$$;

revoke execute on function private.list_box(text, jsonb, integer) from public, anon;
grant execute on function private.list_box(text, jsonb, integer) to authenticated, service_role;

create or replace function public.list_box(p_box text, p_cursor jsonb default null, p_limit integer default 50)
returns setof jsonb
language sql
stable
security invoker
set search_path = ''
as $$ select * from private.list_box(p_box, p_cursor, p_limit) $$;

comment on function public.list_box(text, jsonb, integer) is 'Rows of one of the operator''s lists: held (oldest first), waiting_customer (he had it last; newest reply first; not what he has put aside), snoozed (next first), queue (in its order), done (he had it last; newest first), mentions (notes that mention him and that he has not read; newest first), and for admins all (not completed; newest first). p_cursor: the cursor of the last row of the page before; p_limit: 1 to 500. docs/live.md has the row. Refuses: not_signed_in, not_allowed, operator_inactive, invalid_argument.';
revoke execute on function public.list_box(text, jsonb, integer) from public, anon;
grant execute on function public.list_box(text, jsonb, integer) to authenticated, service_role;

-- What is next for each of many, as explain_assignment says it of one (functions/assignment.sql has the
-- rule). The head of the queue is read once for all of them.
create or replace function private.next_chats(p_operator_ids uuid[])
returns table (operator_id uuid, chat_id uuid, decision text, reason text)
language plpgsql
stable
security definer
set search_path = ''
as $$
begin
  return query
    with head as materialized (
      select c.id, c.last_operator_id, row_number() over (order by c.priority desc, c.waiting_since, c.id) as "position"
      from (
        select w.id, w.last_operator_id, w.priority, w.waiting_since
        from public.chats w
        where w.chat_state = 'waiting_assignment'
        order by w.priority desc, w.waiting_since, w.id
        limit 64
      ) c
    )
    select l.operator_id, c.id, case when l.held >= l.capacity then 'refused' else 'next' end, private.explain_candidate(l, c)
    from private.operator_load l
    cross join lateral (
      select coalesce(
        (select h.id from head h where h.last_operator_id is distinct from l.operator_id order by h."position" limit 1),
        case when (select count(*) from head) = 64 then (select f.id from private.foreign_candidates(l.operator_id, 1) f) end,
        (select h.id from head h where h."position" = 1)
      ) as id
    ) n
    join public.chats c on c.id = n.id
    where l.operator_id = any (p_operator_ids);
end
$$;

comment on function private.next_chats(uuid[]) is 'The first candidate of each of these operators, if anything waits: as explain_assignment has it.';
revoke execute on function private.next_chats(uuid[]) from public, anon, authenticated, service_role;

-- The inbox.

create or replace function private.get_operator_inbox()
returns jsonb
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  v_id uuid := private.require_operator();
  v_next record;
begin
  select e.* into v_next from private.explain_assignment(v_id) e where e.rank = 1;
  return jsonb_build_object(
    'operator', (select to_jsonb(o) || jsonb_build_object('held', l.held) from public.operators o join private.operator_load l on l.operator_id = o.id where o.id = v_id),
    'chats', (select coalesce(jsonb_agg(to_jsonb(c) order by c.assignment_time), '[]') from public.chats c where c.chat_state = 'assigned' and c.assigned_operator_id = v_id),
    'held', (select coalesce(jsonb_agg(r), '[]') from private.box_rows('held', v_id, null, null, null, 200) r),
    'waiting_customer', (select coalesce(jsonb_agg(r), '[]') from private.box_rows('waiting_customer', v_id, null, null, null, 200) r),
    'snoozed', (select coalesce(jsonb_agg(r), '[]') from private.box_rows('snoozed', v_id, null, null, null, 200) r),
    'next', (select to_jsonb(v_next) || r.list_row from private.list_rows(array[v_next.chat_id], v_id) r),
    'queue', (select to_jsonb(q) from private.get_assignment_queue_status() q),
    'mentions', coalesce((select m.unread_count from private.count_mentions(array[v_id]) m), 0),
    'tickets', private.count_open_tickets(),
    'numbers', (select to_jsonb(s) from public.operator_stats s where s.operator_id = v_id and s.date = private.local_date(private.now())),
    'settings', jsonb_build_object(
      'idle_limit_seconds', extract(epoch from private.setting('idle_limit')::interval)::double precision,
      'allow_take', private.setting('allow_take')::boolean,
      'time_zone', private.setting('time_zone')
    )
  );
end
$$;

revoke execute on function private.get_operator_inbox() from public, anon;
grant execute on function private.get_operator_inbox() to authenticated, service_role;

create or replace function public.get_operator_inbox()
returns jsonb
language sql
stable
security invoker
set search_path = ''
as $$ select private.get_operator_inbox() $$;

comment on function public.get_operator_inbox() is 'What an operator needs at a glance: {"operator", "chats" in hand, "held", "waiting_customer", "snoozed" (rows of list_box, 200 of each), "next" (of explain_assignment, with its row; or null), "queue" (get_assignment_queue_status), "mentions" (how many he has not read), "tickets" (how many are open), "numbers" of today (or null), "settings"}. Refuses: not_signed_in, not_allowed, operator_inactive.';
revoke execute on function public.get_operator_inbox() from public, anon;
grant execute on function public.get_operator_inbox() to authenticated, service_role;

-- What the relays ask for the lists of all staff of a process.

-- Of these chats those that have left the queue since then, each known by the first of its events that is
-- news: everybody of the staff could see them until that event. But not those that had only come into the
-- queue in the very transaction that took them out: they were never seen there.
create or replace function private.left_queue(p_chat_ids uuid[], p_since bigint[])
returns table (chat_id uuid)
language plpgsql
stable
security definer
set search_path = ''
set enable_seqscan = off
as $$
begin
  return query
    select c.id
    from unnest(p_chat_ids, p_since) as t (chat_id, since)
    join public.chats c on c.id = t.chat_id
    where c.chat_state <> 'waiting_assignment'
      and exists (
        select from private.events e
        join public.chat_history h on h.id = e.history_id
        where e.chat_id = t.chat_id and e.event_seq >= t.since and h.from_state = 'waiting_assignment'
          and h.xid is distinct from (
            select b.xid from public.chat_history b where b.chat_id = h.chat_id and b.id < h.id order by b.id desc limit 1
          )
      );
end
$$;

comment on function private.left_queue(uuid[], bigint[]) is 'Of these chats those that waited until one of their events from these numbers on took them out of the queue.';
revoke execute on function private.left_queue(uuid[], bigint[]) from public, anon, authenticated, service_role;

-- One answer for everybody, in parts: a chat is described once and not once for each who sees it, and what
-- is each one's own once for all to whom it is the same. Who may see what is said as a join here, and by
-- private.may_see elsewhere; a test compares the two.
create or replace function private.list_news(p_chat_ids uuid[], p_since bigint[], p_person_ids uuid[], p_next_for uuid[])
returns table (what text, chat_id uuid, person_ids uuid[], content jsonb)
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  v_staff_ids uuid[] := array(select o.id from public.operators o where o.is_active and o.id = any (p_person_ids));
  v_seen_ids uuid[];
  v_seer_ids uuid[];
  v_next_ids uuid[];
  v_next_of_ids uuid[];
  v_nexts jsonb[];
begin
  select array_agg(c.id), array_agg(o.id) into v_seen_ids, v_seer_ids
  from public.chats c
  cross join public.operators o
  where c.id = any (p_chat_ids) and o.id = any (v_staff_ids)
    and (
      c.chat_state = 'waiting_assignment' or o.role = 'admin' or c.assigned_operator_id = o.id
      or exists (select from public.chat_assignments a where a.operator_id = o.id and a.chat_id = c.id)
    );
  select
    array_agg(n.chat_id), array_agg(n.operator_id),
    array_agg(jsonb_build_object('rank', 1, 'chat_id', n.chat_id, 'decision', n.decision, 'reason', n.reason))
  into v_next_ids, v_next_of_ids, v_nexts
  from private.next_chats(array(select unnest(p_next_for) intersect select unnest(v_staff_ids))) n;

  return query
    select 'kind', null::uuid, array_agg(o.id), to_jsonb(o.role)
    from public.operators o
    where o.id = any (v_staff_ids)
    group by o.role;
  return query
    select 'next', n.chat_id, array_agg(n.person_id), n.content
    from unnest(v_next_ids, v_next_of_ids, v_nexts) as n (chat_id, person_id, content)
    group by n.chat_id, n.content;
  return query
    select 'row', r.chat_id, null::uuid[], r.list_row
    from private.shared_rows(array(select unnest(v_seen_ids) union select unnest(v_next_ids))) r;
  return query
    with pairs as (
      select array_agg(p.chat_id) as chat_ids, array_agg(p.person_id) as person_ids
      from (
        select s.chat_id, s.person_id from unnest(v_seen_ids, v_seer_ids) as s (chat_id, person_id)
        union
        select n.chat_id, n.person_id from unnest(v_next_ids, v_next_of_ids) as n (chat_id, person_id)
      ) p
    )
    select
      'mark', m.chat_id, array_agg(m.person_id),
      jsonb_build_object('unread_count', m.unread_count, 'snoozed_until', m.snoozed_until, 'idle_at', m.idle_at)
    from pairs p cross join lateral private.own_marks(p.chat_ids, p.person_ids) m
    group by m.chat_id, m.unread_count, m.snoozed_until, m.idle_at;
  return query
    select 'gone', l.chat_id, array_agg(s.person_id), to_jsonb(o.name)
    from private.left_queue(p_chat_ids, p_since) l
    join public.chats c on c.id = l.chat_id
    left join public.operators o on o.id = c.assigned_operator_id
    cross join unnest(v_staff_ids) as s (person_id)
    where not exists (
      select from unnest(v_seen_ids, v_seer_ids) as v (chat_id, person_id)
      where v.chat_id = l.chat_id and v.person_id = s.person_id
    )
    group by l.chat_id, o.name;
end
$$;

comment on function private.list_news(uuid[], bigint[], uuid[], uuid[]) is 'What the lists of these persons show of chats that have changed, from these events on (null: only signals): row (the same for all), mark (their own, of those who may see the chat), gone (they could see it until now; with the name of who has it, null: nobody); next (of those for whom it is asked), kind (operator or admin). For the relays.';
revoke execute on function private.list_news(uuid[], bigint[], uuid[], uuid[]) from public, anon, authenticated;
grant execute on function private.list_news(uuid[], bigint[], uuid[], uuid[]) to service_role;
