-- The admin's console: all that is going on at a glance, a list of all chats, and one deed for many of them.

-- The operators as lanes: who is there, how many hands, and what is in each.
create or replace function private.console_operators()
returns jsonb
language sql
stable
security definer
set search_path = ''
as $$
  select coalesce(jsonb_agg(
    jsonb_build_object(
      'id', o.id, 'name', o.name, 'role', o.role, 'status', o.status, 'status_reason', o.status_reason,
      'auto_assign', o.auto_assign, 'is_connected', private.is_connected(o.id),
      'capacity', l.capacity, 'held', l.held, 'chats', coalesce(h.chats, '[]')
    ) order by array_position(array['online', 'away', 'offline'], o.status), o.name, o.id
  ), '[]')
  from public.operators o
  join private.operator_load l on l.operator_id = o.id
  left join lateral (
    select jsonb_agg(jsonb_build_object(
      'id', c.id, 'customer_name', r.name, 'headline', c.headline, 'priority', c.priority,
      'since', c.assignment_time, 'owed_since', c.owed_since,
      'idle_at', private.idle_at(c, private.setting('idle_limit')::interval)
    ) order by c.assignment_time, c.id) as chats
    from public.chats c
    join public.real_users r on r.id = c.real_user_id
    where c.chat_state = 'assigned' and c.assigned_operator_id = o.id
  ) h on true
  where o.is_active
$$;

comment on function private.console_operators() is 'Every active operator with his status, his hands and the chats in them.';
revoke execute on function private.console_operators() from public, anon, authenticated, service_role;

create or replace function private.console_queue(p_limit integer)
returns jsonb
language sql
stable
security definer
set search_path = ''
as $$
  select coalesce(jsonb_agg(jsonb_build_object(
    'position', q.position, 'id', q.chat_id, 'customer_name', r.name, 'headline', c.headline,
    'priority', q.priority, 'waiting_since', q.waiting_since, 'wait_seconds', q.wait_seconds,
    'last_operator_id', q.last_operator_id, 'last_operator_name', o.name
  ) order by q.position), '[]')
  from (
    -- The first of them by the index, then their places: the view numbers the whole queue.
    select
      row_number() over (order by w.priority desc, w.waiting_since, w.id) as position, w.id as chat_id, w.priority,
      w.waiting_since, extract(epoch from (select private.now()) - w.waiting_since)::double precision as wait_seconds,
      w.last_operator_id
    from (
      select x.id, x.priority, x.waiting_since, x.last_operator_id
      from public.chats x
      where x.chat_state = 'waiting_assignment'
      order by x.priority desc, x.waiting_since, x.id
      limit p_limit
    ) w
  ) q
  join public.chats c on c.id = q.chat_id
  join public.real_users r on r.id = c.real_user_id
  left join public.operators o on o.id = q.last_operator_id
$$;

comment on function private.console_queue(integer) is 'The first chats of the queue, with the names that a person reads.';
revoke execute on function private.console_queue(integer) from public, anon, authenticated, service_role;

create or replace function private.get_console()
returns jsonb
language plpgsql
stable
security definer
set search_path = ''
as $$
begin
  perform private.require_admin();
  return jsonb_build_object(
    'at', private.now(),
    'numbers', (select to_jsonb(s) from private.get_assignment_queue_status() s),
    'operators', private.console_operators(),
    'queue', private.console_queue(50),
    -- Those of detect_stuck_chats but for broken invariants, which take a look at every chat.
    'stuck_count', (select count(distinct s.chat_id) from private.overdue_chats(private.now() - interval '1 hour') s)
  );
end
$$;

revoke execute on function private.get_console() from public, anon;
grant execute on function private.get_console() to authenticated, service_role;

create or replace function public.get_console()
returns jsonb
language sql
stable
security invoker
set search_path = ''
as $$ select private.get_console() $$;

comment on function public.get_console() is 'What the console shows at a glance: {"at", "numbers" (get_assignment_queue_status), "operators" with their hands and "chats", "queue" (its first 50), "stuck_count" (of detect_stuck_chats, without broken invariants)}. Admins, the service. Refuses: not_signed_in, not_allowed, operator_inactive.';
revoke execute on function public.get_console() from public, anon;
grant execute on function public.get_console() to authenticated, service_role;

-- What a filter of list_console_chats says.
create or replace function private.read_console_filter(
  p_filter jsonb,
  out states text[], out operator_id uuid, out waits_since timestamptz, out words tsquery,
  out priority integer, out created_from timestamptz, out created_to timestamptz, out sort text
)
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  v_unknown text;
  v_given record;
begin
  if jsonb_typeof(p_filter) is distinct from 'object' then
    perform private.refuse('invalid_argument', 'p_filter is an object.');
  end if;
  select k.name into v_unknown
  from jsonb_object_keys(p_filter) k (name)
  where k.name not in ('state', 'operator_id', 'min_wait_seconds', 'text', 'priority', 'from', 'to', 'sort')
  limit 1;
  if v_unknown is not null then
    perform private.refuse('invalid_argument', format('%s: a filter has state, operator_id, min_wait_seconds, text, priority, from, to, sort.', v_unknown));
  end if;
  begin
    select f.* into v_given
    from jsonb_to_record(p_filter) as f (
      state jsonb, operator_id uuid, min_wait_seconds double precision, text text, priority integer,
      "from" timestamptz, "to" timestamptz, sort text
    );
    waits_since := private.now() - make_interval(secs => v_given.min_wait_seconds);
  exception when data_exception then
    perform private.refuse('invalid_argument', format('p_filter: %s.', sqlerrm));
  end;
  states := case
    when jsonb_typeof(v_given.state) = 'array' then array(select s.name from jsonb_array_elements_text(v_given.state) s (name))
    when jsonb_typeof(v_given.state) <> 'null' then array[v_given.state #>> '{}']
  end;
  sort := coalesce(v_given.sort, 'wait');
  if not states <@ array['waiting_assignment', 'assigned', 'waiting_real_user_reply', 'completed'] then
    perform private.refuse('invalid_argument', 'state: waiting_assignment, assigned, waiting_real_user_reply, completed, or several of them.');
  elsif v_given.min_wait_seconds < 0 then
    perform private.refuse('invalid_argument', 'min_wait_seconds: a number of seconds.');
  elsif sort not in ('wait', 'priority', 'created', 'last_message') then
    perform private.refuse('invalid_argument', 'sort: wait, priority, created or last_message.');
  end if;
  operator_id := v_given.operator_id;
  if v_given.text is not null then
    words := private.search_words(v_given.text);
  end if;
  priority := v_given.priority;
  created_from := v_given."from";
  created_to := v_given."to";
end
$$;

comment on function private.read_console_filter(jsonb) is 'The parts of a filter of list_console_chats; refuses invalid_argument, naming what is wrong.';
revoke execute on function private.read_console_filter(jsonb) from public, anon, authenticated, service_role;

-- Where a page goes on: what the last row of the page before was sorted by. The row itself may have moved on
-- since.
create or replace function private.read_console_cursor(
  p_cursor jsonb, p_sort text, out priority bigint, out at timestamptz, out id uuid
)
language plpgsql
stable
set search_path = ''
as $$
declare
  v_sort text;
begin
  begin
    select k.sort, k.priority, k.at, k.id into v_sort, priority, at, id
    from jsonb_to_record(coalesce(p_cursor, '{}')) as k (sort text, priority bigint, at timestamptz, id uuid);
  exception when data_exception then
    perform private.refuse('invalid_argument', 'p_cursor is what the last row of the page before has as its cursor.');
  end;
  if p_cursor is not null and (v_sort is distinct from p_sort or num_nulls(priority, at, id) > 0) then
    perform private.refuse('invalid_argument', 'p_cursor is what the last row of the page before, in the same order, has as its cursor.');
  end if;
end
$$;

comment on function private.read_console_cursor(jsonb, text) is 'The parts of a cursor of list_console_chats, null without one; refuses invalid_argument.';
revoke execute on function private.read_console_cursor(jsonb, text) from public, anon, authenticated, service_role;

-- By what chats are sorted. Those that go on are few, and sorted when they are asked for. Those that have ended
-- are ever more, so an index has them in each order: which is why an ended chat stands where it ended and not
-- where its last message came. last_message_at may be in no index, or each message would change all of them.
-- Who has ended waits for nothing, and comes after all who wait.
create or replace function private.console_order(
  p_sort text,
  out ordering text, out active_at text, out ended_at text, out active_follows text, out ended_follows text
)
language sql
immutable
set search_path = ''
as $$
  select o.ordering, o.active_at, o.ended_at, o.active_follows, o.ended_follows
  from (values
    (
      'wait', 'c.at, c.id',
      'coalesce(x.waiting_since, x.owed_since, ''infinity'')', '''infinity''::timestamptz',
      '(c.at, c.id) > ($9, $10)', '($9 < ''infinity'' or c.id > $10)'
    ),
    (
      'priority', '-c.priority::bigint, c.at, c.id',
      'coalesce(x.waiting_since, x.owed_since, ''infinity'')', '''infinity''::timestamptz',
      '(-c.priority::bigint, c.at, c.id) > (-$8, $9, $10)',
      'case when $9 < ''infinity'' then -c.priority::bigint >= -$8 else (-c.priority::bigint, c.id) > (-$8, $10) end'
    ),
    (
      'created', 'c.at desc, c.id desc', 'x.created_at', 'x.created_at',
      '(c.at, c.id) < ($9, $10)', '(c.at, c.id) < ($9, $10)'
    ),
    (
      'last_message', 'c.at desc, c.id desc', 'coalesce(x.last_message_at, x.created_at)', 'x.state_since',
      '(c.at, c.id) < ($9, $10)', '(c.at, c.id) < ($9, $10)'
    )
  ) as o (sort, ordering, active_at, ended_at, active_follows, ended_follows)
  where o.sort = p_sort
$$;

comment on function private.console_order(text) is 'Pieces of the query of private.console_page: the order, and, of chats that go on and of ended ones, the time in it and what comes after a cursor.';
revoke execute on function private.console_order(text) from public, anon, authenticated, service_role;

-- The chats of a page, in their order. The query is put together from pieces that all stand in this file, so that
-- each order has a plan of its own, and what is not asked for is not in it. Values are parameters: of the filter
-- $1 states, $2 holder, $3 since when they wait, $4 priority, $5 and $6 the time they began, $7 those that the
-- words are about; of the cursor $8 priority, $9 time and $10 id; $11 the limit.
create or replace function private.console_page(p_filter jsonb, p_cursor jsonb, p_limit integer)
returns setof jsonb
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  v_filter record;
  v_cursor record;
  v_order record;
  v_about uuid[];
  v_asked text;
  v_active text;
  v_ended text;
begin
  select f.* into strict v_filter from private.read_console_filter(p_filter) f;
  select k.* into strict v_cursor from private.read_console_cursor(p_cursor, v_filter.sort) k;
  select o.* into strict v_order from private.console_order(v_filter.sort) o;
  -- Found before the plan is made, which so knows how many they are: few are fetched, many are met on the way.
  if v_filter.words is not null then
    v_about := array(select a.id from private.chats_about(v_filter.words) a);
  end if;
  v_asked := concat_ws(
    ' and ', 'true',
    -- Said twice: there are statistics of the column, and an index of the expression.
    case when v_filter.priority is not null then 'c.priority = $4 and -c.priority::bigint = -$4::bigint' end,
    case when v_filter.created_from is not null then 'c.created_at >= $5' end,
    case when v_filter.created_to is not null then 'c.created_at < $6' end,
    case when v_filter.words is not null then 'c.id = any ($7)' end
  );
  v_active := concat_ws(
    ' and ', v_asked,
    case when v_filter.states is not null then 'c.chat_state = any ($1)' end,
    case when v_filter.operator_id is not null then 'c.assigned_operator_id = $2' end,
    case when v_filter.waits_since is not null then 'coalesce(c.waiting_since, c.owed_since) <= $3' end,
    case when p_cursor is not null then v_order.active_follows end
  );
  v_ended := concat_ws(
    ' and ', v_asked,
    case when v_filter.states is not null then '''completed'' = any ($1)' end,
    case when v_filter.operator_id is not null or v_filter.waits_since is not null then 'false' end,
    case when p_cursor is not null then v_order.ended_follows end
  );
  return query execute format(
    'select jsonb_build_object(''sort'', %6$L, ''priority'', c.priority, ''at'', c.at, ''id'', c.id)'
    ' from ('
    '   (select c.id, c.priority, c.at'
    '    from (select x.*, %2$s as at from public.chats x where x.chat_state <> ''completed'') c'
    '    where %3$s order by %1$s limit $11)'
    '   union all'
    '   (select c.id, c.priority, c.at'
    '    from (select x.*, %4$s as at from public.chats x where x.chat_state = ''completed'') c'
    '    where %5$s order by %1$s limit $11)'
    ' ) c'
    ' order by %1$s limit $11',
    v_order.ordering, v_order.active_at, v_active, v_order.ended_at, v_ended, v_filter.sort
  )
  using v_filter.states, v_filter.operator_id, v_filter.waits_since, v_filter.priority, v_filter.created_from,
    v_filter.created_to, v_about, v_cursor.priority, v_cursor.at, v_cursor.id, p_limit;
end
$$;

comment on function private.console_page(jsonb, jsonb, integer) is 'The chats that a filter lets through, after a cursor, in their order, each as its own cursor, which has its id; refuses invalid_argument.';
revoke execute on function private.console_page(jsonb, jsonb, integer) from public, anon, authenticated, service_role;

create or replace function private.list_console_chats(p_filter jsonb, p_cursor jsonb, p_limit integer)
returns table (chat jsonb, cursor jsonb)
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  v_now timestamptz := private.now();
  v_cursors jsonb[];
begin
  perform private.require_admin();
  if p_limit is null or p_limit not between 1 and 200 then
    perform private.refuse('invalid_argument', 'p_limit is 1 to 200.');
  end if;
  -- Asked for before the join: where there are no chats, a plan may never come to ask, nor to refuse.
  v_cursors := array(select private.console_page(p_filter => p_filter, p_cursor => p_cursor, p_limit => p_limit));
  return query
    select
      to_jsonb(c) - array['context', 'let_go_by'] || jsonb_build_object(
        'customer_name', r.name, 'customer_email', r.email, 'holder_name', h.name, 'last_operator_name', l.name,
        'wait_seconds', extract(epoch from v_now - coalesce(c.waiting_since, c.owed_since)),
        'state_seconds', extract(epoch from v_now - c.state_since),
        'message_count', c.last_seq
      ),
      p.cursor
    from unnest(v_cursors) with ordinality as p (cursor, place)
    join public.chats c on c.id = (p.cursor ->> 'id')::uuid
    join public.real_users r on r.id = c.real_user_id
    left join public.operators h on h.id = c.assigned_operator_id
    left join public.operators l on l.id = c.last_operator_id
    order by p.place;
end
$$;

revoke execute on function private.list_console_chats(jsonb, jsonb, integer) from public, anon;
grant execute on function private.list_console_chats(jsonb, jsonb, integer) to authenticated, service_role;

create or replace function public.list_console_chats(p_filter jsonb default '{}', p_cursor jsonb default null, p_limit integer default 50)
returns table (chat jsonb, cursor jsonb)
language sql
stable
security invoker
set search_path = ''
as $$ select * from private.list_console_chats(p_filter, p_cursor, p_limit) $$;

comment on function public.list_console_chats(jsonb, jsonb, integer) is 'All chats with the names and times that a person reads, by a filter {"state" (one or several), "operator_id" (the holder), "min_wait_seconds" (of a customer who is owed a reply), "text" (in subject, customer''s name or email), "priority", "from", "to" (created), "sort": "wait" (longest first), "priority" (highest), "created" or "last_message" (newest; an ended chat stands where it ended)}; p_cursor: the cursor of the last row of the page before. At most 200. Admins, the service. Refuses: not_signed_in, not_allowed, operator_inactive, invalid_argument.';
revoke execute on function public.list_console_chats(jsonb, jsonb, integer) from public, anon;
grant execute on function public.list_console_chats(jsonb, jsonb, integer) to authenticated, service_role;

-- One deed for one chat, whose lock and hands act_on_chats has already. What is refused is undone and told;
-- what is nobody's fault (a lost race, a lost connection) ends the whole.
create or replace function private.act_on_chat(p_action text, p_chat_id uuid, p_operator_id uuid, p_reason text, p_priority integer)
returns table (chat_id uuid, is_done boolean, code text, message text)
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
  v_code text;
  v_message text;
begin
  begin
    case p_action
      when 'reassign' then perform private.reassign_chat(p_chat_id, p_operator_id, p_reason);
      when 'release' then perform private.release_and_reassign_chat(p_chat_id, p_reason);
      when 'complete' then perform private.complete_chat(p_chat_id, coalesce(p_reason, 'completed'));
      when 'prioritise' then
        perform private.lock_chat(p_chat_id);
        update public.chats c set priority = p_priority where c.id = p_chat_id;
    end case;
  exception when others then
    if sqlstate not like 'PT4__' then
      raise;
    end if;
    get stacked diagnostics v_code = pg_exception_detail, v_message = message_text;
  end;
  return query select p_chat_id, v_code is null, v_code, v_message;
end
$$;

comment on function private.act_on_chat(text, uuid, uuid, text, integer) is 'Does it, or says why it was refused.';
revoke execute on function private.act_on_chat(text, uuid, uuid, text, integer) from public, anon, authenticated, service_role;

-- All chats are locked first, then all hands, each in their order: chat after chat would have the hands of
-- the first while it asks for the second.
create or replace function private.act_on_chats(p_action text, p_chat_ids uuid[], p_operator_id uuid, p_reason text, p_priority integer)
returns table (chat_id uuid, is_done boolean, code text, message text)
language plpgsql
volatile
security definer
set search_path = ''
as $$
begin
  perform private.require_admin();
  perform private.check_reason(p_reason);
  if p_action is null or p_action not in ('reassign', 'release', 'complete', 'prioritise') then
    perform private.refuse('invalid_argument', 'p_action is reassign, release, complete or prioritise.');
  elsif p_chat_ids is null or cardinality(p_chat_ids) not between 1 and 200 or array_position(p_chat_ids, null) is not null then
    perform private.refuse('invalid_argument', 'p_chat_ids are 1 to 200 ids.');
  elsif (p_action = 'reassign') <> (p_operator_id is not null) then
    perform private.refuse('invalid_argument', 'p_operator_id is whom chats are reassigned to.');
  elsif (p_action = 'prioritise') <> (p_priority is not null) then
    perform private.refuse('invalid_argument', 'p_priority is what prioritise gives.');
  end if;
  if p_action = 'reassign' then
    perform private.require_active_operator(p_operator_id);
  end if;
  perform from public.chats c where c.id = any (p_chat_ids) order by c.id for no key update;
  if p_action <> 'prioritise' then
    perform from private.operator_load l
    where l.operator_id = p_operator_id
      or l.operator_id in (select c.assigned_operator_id from public.chats c where c.id = any (p_chat_ids))
    order by l.operator_id
    for no key update;
  end if;
  return query
    select d.*
    from (select distinct i.id from unnest(p_chat_ids) i (id) order by i.id) i
    cross join lateral private.act_on_chat(p_action, i.id, p_operator_id, p_reason, p_priority) d;
end
$$;

revoke execute on function private.act_on_chats(text, uuid[], uuid, text, integer) from public, anon;
grant execute on function private.act_on_chats(text, uuid[], uuid, text, integer) to authenticated, service_role;

create or replace function public.act_on_chats(
  p_action text, p_chat_ids uuid[], p_operator_id uuid default null, p_reason text default null, p_priority integer default null
)
returns table (chat_id uuid, is_done boolean, code text, message text)
language sql
volatile
security invoker
set search_path = ''
as $$ select * from private.act_on_chats(p_action, p_chat_ids, p_operator_id, p_reason, p_priority) $$;

comment on function public.act_on_chats(text, uuid[], uuid, text, integer) is 'Does the same to up to 200 chats, each for itself: reassign (to p_operator_id), release, complete, or prioritise (to p_priority). A row a chat: whether it was done, else the code and message of reassign_chat, release_and_reassign_chat or complete_chat. Admins, the service. Refuses, as a whole: not_signed_in, not_allowed, operator_inactive, operator_not_found, invalid_argument, content_too_long.';
revoke execute on function public.act_on_chats(text, uuid[], uuid, text, integer) from public, anon;
grant execute on function public.act_on_chats(text, uuid[], uuid, text, integer) to authenticated, service_role;
