-- Search by words and by how they begin, in what the caller may see.
--
-- Letters and digits are words; all punctuation is a blank, so that the 1042 of `order-1042` is found, and
-- the name of a shop in an address. The expression that says so stands in five indexes
-- (migrations/20261122000005_reading.sql) and in the queries here, letter by letter the same: else the index
-- is not used.
--
-- These functions read as the owner and say themselves which chats are the caller's. So the words' index
-- leads whatever row level security would do to the plan, and only what it has found is looked through.

create or replace function private.search_words(p_query text)
returns tsquery
language sql
immutable
set search_path = ''
as $$
  select q.words
  from (
    select to_tsquery('simple', string_agg(
      format('''%s''%s', w.word, case when char_length(w.word) > 1 then ':*' end), ' & '
    )) as words
    from (
      select w.word
      from regexp_split_to_table(
        regexp_replace(lower(p_query), '[\u0021-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u007e\u00a1\u00ab\u00b7\u00bb\u00bf\u060c\u061b\u061f\u2010-\u205e\u3000-\u303f]', ' ', 'g'), '\s+'
      ) w (word)
      where w.word <> ''
      limit 16
    ) w
  ) q
  where numnode(q.words) > 0
$$;

comment on function private.search_words(text) is 'What is looked for: all words, by their beginnings if they have two letters; null where there is none.';
revoke execute on function private.search_words(text) from public, anon, authenticated, service_role;

create or replace function private.seen_chats(p_operator_id uuid)
returns table (id uuid)
language sql
stable
security definer
set search_path = ''
as $$
  select a.chat_id from public.chat_assignments a where a.operator_id = p_operator_id
  union
  select c.id from public.chats c where c.chat_state = 'waiting_assignment'
$$;

comment on function private.seen_chats(uuid) is 'The chats that an operator who is no admin may see (private.may_see).';
revoke execute on function private.seen_chats(uuid) from public, anon, authenticated, service_role;

-- For the console's filter: the customer's words count as the chat's.
create or replace function private.chats_about(p_words tsquery)
returns table (id uuid)
language sql
stable
security definer
set search_path = ''
as $$
  select c.id from public.chats c
  where c.headline is not null
    and to_tsvector('simple', regexp_replace(lower(c.headline), '[\u0021-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u007e\u00a1\u00ab\u00b7\u00bb\u00bf\u060c\u061b\u061f\u2010-\u205e\u3000-\u303f]', ' ', 'g')) @@ p_words
  union
  select c.id from public.chats c
  join public.real_users r on r.id = c.real_user_id
  where to_tsvector('simple', regexp_replace(lower(coalesce(r.name, '') || ' ' || coalesce(r.email, '')), '[\u0021-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u007e\u00a1\u00ab\u00b7\u00bb\u00bf\u060c\u061b\u061f\u2010-\u205e\u3000-\u303f]', ' ', 'g')) @@ p_words
$$;

comment on function private.chats_about(tsquery) is 'All chats whose subject, or whose customer''s name and email, have these words.';
revoke execute on function private.chats_about(tsquery) from public, anon, authenticated, service_role;

-- What is said all the time is said of late: of the newest messages the staff look through a few, and only when
-- that is not enough, the index is asked for all there are. Looking through costs by the text, so it ends with
-- the thousandth message or the millionth byte, a customer's own messages too: nobody writes so much that all
-- who search wait for it. `offset 0` keeps the limit out of the inner query:
-- a plan that walked back through all messages until it has enough would read the text of each.
create or replace function private.find_newest_messages(p_words tsquery, p_kind text, p_person_id uuid, p_limit integer)
returns uuid[]
language plpgsql
stable
security definer
set search_path = ''
set plan_cache_mode = 'force_custom_plan'
set enable_seqscan = 'off'
as $$
begin
  return array(
    select m.id
    from (
      select b.*
      from (
        select n.*, sum(octet_length(n.content)) over (order by n.created_at desc, n.id) as bytes
        from (select l.id, l.chat_id, l.content, l.created_at from public.messages l order by l.created_at desc limit 20000) n
        where p_kind <> 'operator' or n.chat_id in (select s.id from private.seen_chats(p_person_id) s)
        order by n.created_at desc, n.id
        limit 1000
      ) b
      where b.bytes <= 1000000
      offset 0
    ) m
    where to_tsvector('simple', regexp_replace(lower(m.content), '[\u0021-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u007e\u00a1\u00ab\u00b7\u00bb\u00bf\u060c\u061b\u061f\u2010-\u205e\u3000-\u303f]', ' ', 'g')) @@ p_words
    order by m.created_at desc, m.id
    limit p_limit
  );
end
$$;

comment on function private.find_newest_messages(tsquery, text, uuid, integer) is 'Those of the newest messages that have these words and that this member of the staff may see.';
revoke execute on function private.find_newest_messages(tsquery, text, uuid, integer) from public, anon, authenticated, service_role;

create or replace function private.find_messages(p_words tsquery, p_kind text, p_person_id uuid, p_limit integer)
returns uuid[]
language plpgsql
stable
security definer
set search_path = ''
set plan_cache_mode = 'force_custom_plan'
set enable_seqscan = 'off'
as $$
begin
  return array(
    select f.id
    from (
      select m.id, m.chat_id, m.created_at
      from public.messages m
      where to_tsvector('simple', regexp_replace(lower(m.content), '[\u0021-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u007e\u00a1\u00ab\u00b7\u00bb\u00bf\u060c\u061b\u061f\u2010-\u205e\u3000-\u303f]', ' ', 'g')) @@ p_words
      offset 0
    ) f
    where p_kind <> 'operator' or f.chat_id in (select s.id from private.seen_chats(p_person_id) s)
    order by f.created_at desc, f.id
    limit p_limit
  );
end
$$;

comment on function private.find_messages(tsquery, text, uuid, integer) is 'The newest of all messages that have these words and that this member of the staff may see.';
revoke execute on function private.find_messages(tsquery, text, uuid, integer) from public, anon, authenticated, service_role;

create or replace function private.search_own_messages(p_words tsquery, p_word text, p_person_id uuid, p_limit integer)
returns table (id uuid, chat_id uuid, seq bigint, title text, snippet text, at timestamptz)
language plpgsql
stable
security definer
set search_path = ''
set plan_cache_mode = 'force_custom_plan'
set enable_seqscan = 'off'
as $$
begin
  return query
    select m.id, m.chat_id, m.seq, coalesce(m.headline, f.name), private.excerpt(m.content, p_word), m.created_at
    from (
      select b.*
      from (
        select m.*, c.headline, c.fictional_user_id,
          sum(octet_length(m.content)) over (order by m.created_at desc, m.id) as bytes
        from public.chats c join public.messages m on m.chat_id = c.id
        where c.real_user_id = p_person_id
        order by m.created_at desc, m.id
        limit 1000
      ) b
      where b.bytes <= 1000000
      offset 0
    ) m
    left join public.fictional_users f on f.id = m.fictional_user_id
    where to_tsvector('simple', regexp_replace(lower(m.content), '[\u0021-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u007e\u00a1\u00ab\u00b7\u00bb\u00bf\u060c\u061b\u061f\u2010-\u205e\u3000-\u303f]', ' ', 'g')) @@ p_words
    order by m.created_at desc, m.id
    limit p_limit;
end
$$;

comment on function private.search_own_messages(tsquery, text, uuid, integer) is 'The newest messages with these words in the chats of this customer.';
revoke execute on function private.search_own_messages(tsquery, text, uuid, integer) from public, anon, authenticated, service_role;

create or replace function private.search_messages(p_words tsquery, p_word text, p_kind text, p_person_id uuid, p_limit integer)
returns table (id uuid, chat_id uuid, seq bigint, title text, snippet text, at timestamptz)
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  v_ids uuid[];
begin
  if p_kind not in ('service', 'admin', 'operator') then
    return query select o.* from private.search_own_messages(p_words, p_word, p_person_id, p_limit) o;
    return;
  end if;
  v_ids := private.find_newest_messages(p_words, p_kind, p_person_id, p_limit);
  if cardinality(v_ids) < p_limit then
    v_ids := private.find_messages(p_words, p_kind, p_person_id, p_limit);
  end if;
  return query
    select m.id, m.chat_id, m.seq, r.name, private.excerpt(m.content, p_word), m.created_at
    from public.messages m
    join public.chats c on c.id = m.chat_id
    join public.real_users r on r.id = c.real_user_id
    where m.id = any (v_ids);
end
$$;

comment on function private.search_messages(tsquery, text, text, uuid, integer) is 'The newest messages with these words that this person, who is of this kind, may see.';
revoke execute on function private.search_messages(tsquery, text, text, uuid, integer) from public, anon, authenticated, service_role;

create or replace function private.search_chats(p_words tsquery, p_kind text, p_person_id uuid, p_limit integer)
returns table (id uuid, chat_id uuid, seq bigint, title text, snippet text, at timestamptz)
language plpgsql
stable
security definer
set search_path = ''
set plan_cache_mode = 'force_custom_plan'
set enable_seqscan = 'off'
as $$
begin
  return query
    select c.id, c.id, null::bigint, c.headline, r.name, c.at
    from (
      select f.id, f.real_user_id, f.headline, coalesce(f.last_message_at, f.created_at) as at
      from public.chats f
      where f.headline is not null
        and to_tsvector('simple', regexp_replace(lower(f.headline), '[\u0021-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u007e\u00a1\u00ab\u00b7\u00bb\u00bf\u060c\u061b\u061f\u2010-\u205e\u3000-\u303f]', ' ', 'g')) @@ p_words
      offset 0
    ) c
    join public.real_users r on r.id = c.real_user_id
    where p_kind in ('service', 'admin')
      or c.real_user_id = p_person_id
      or p_kind = 'operator' and c.id in (select s.id from private.seen_chats(p_person_id) s)
    order by c.at desc, c.id
    limit p_limit;
end
$$;

comment on function private.search_chats(tsquery, text, uuid, integer) is 'The newest chats with these words in their subject that this person, who is of this kind, may see.';
revoke execute on function private.search_chats(tsquery, text, uuid, integer) from public, anon, authenticated, service_role;

-- For staff. chat_id: his latest chat that the caller may see; who has none is for admins only.
create or replace function private.search_customers(p_words tsquery, p_kind text, p_person_id uuid, p_limit integer)
returns table (id uuid, chat_id uuid, seq bigint, title text, snippet text, at timestamptz)
language plpgsql
stable
security definer
set search_path = ''
set plan_cache_mode = 'force_custom_plan'
set enable_seqscan = 'off'
as $$
begin
  if p_kind not in ('service', 'admin', 'operator') then
    return;
  end if;
  return query
    select r.id, c.id, null::bigint, r.name, r.email, coalesce(c.at, r.created_at)
    from (
      select f.* from public.real_users f
      where to_tsvector('simple', regexp_replace(lower(coalesce(f.name, '') || ' ' || coalesce(f.email, '')), '[\u0021-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u007e\u00a1\u00ab\u00b7\u00bb\u00bf\u060c\u061b\u061f\u2010-\u205e\u3000-\u303f]', ' ', 'g')) @@ p_words
      offset 0
    ) r
    left join lateral (
      select x.id, coalesce(x.last_message_at, x.created_at) as at
      from public.chats x
      where x.real_user_id = r.id
        and (p_kind <> 'operator' or x.id in (select s.id from private.seen_chats(p_person_id) s))
      order by x.created_at desc, x.id desc
      limit 1
    ) c on true
    where c.id is not null or p_kind <> 'operator'
    order by 6 desc, r.id
    limit p_limit;
end
$$;

comment on function private.search_customers(tsquery, text, uuid, integer) is 'The customers with these words in name or email whom this person, who is of this kind, may see.';
revoke execute on function private.search_customers(tsquery, text, uuid, integer) from public, anon, authenticated, service_role;

-- For staff: notes are never a customer's.
create or replace function private.search_notes(p_words tsquery, p_word text, p_kind text, p_person_id uuid, p_limit integer)
returns table (id uuid, chat_id uuid, seq bigint, title text, snippet text, at timestamptz)
language plpgsql
stable
security definer
set search_path = ''
set plan_cache_mode = 'force_custom_plan'
set enable_seqscan = 'off'
as $$
begin
  if p_kind not in ('service', 'admin', 'operator') then
    return;
  end if;
  return query
    select n.id, n.chat_id, null::bigint, r.name, private.excerpt(n.content, p_word), n.created_at
    from (
      select f.id, f.chat_id, f.content, f.created_at
      from public.chat_notes f
      where f.deleted_at is null
        and to_tsvector('simple', regexp_replace(lower(f.content), '[\u0021-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u007e\u00a1\u00ab\u00b7\u00bb\u00bf\u060c\u061b\u061f\u2010-\u205e\u3000-\u303f]', ' ', 'g')) @@ p_words
      offset 0
    ) n
    join public.chats c on c.id = n.chat_id
    join public.real_users r on r.id = c.real_user_id
    where p_kind <> 'operator' or n.chat_id in (select s.id from private.seen_chats(p_person_id) s)
    order by n.created_at desc, n.id
    limit p_limit;
end
$$;

comment on function private.search_notes(tsquery, text, text, uuid, integer) is 'The newest notes with these words that this person, who is of this kind, may see.';
revoke execute on function private.search_notes(tsquery, text, text, uuid, integer) from public, anon, authenticated, service_role;

create or replace function private.search_tickets(p_words tsquery, p_kind text, p_person_id uuid, p_limit integer)
returns table (id uuid, chat_id uuid, seq bigint, title text, snippet text, at timestamptz)
language plpgsql
stable
security definer
set search_path = ''
set plan_cache_mode = 'force_custom_plan'
set enable_seqscan = 'off'
as $$
begin
  return query
    select t.id, null::uuid, null::bigint, t.title, coalesce(t.contact_name, t.contact_email), t.created_at
    from (
      select f.id, f.real_user_id, f.title, f.contact_name, f.contact_email, f.created_at
      from public.tickets f
      where to_tsvector('simple', regexp_replace(lower(f.title || ' ' || coalesce(f.contact_name, '') || ' ' || coalesce(f.contact_email, '')), '[\u0021-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u007e\u00a1\u00ab\u00b7\u00bb\u00bf\u060c\u061b\u061f\u2010-\u205e\u3000-\u303f]', ' ', 'g')) @@ p_words
      offset 0
    ) t
    where p_kind in ('service', 'admin', 'operator') or t.real_user_id = p_person_id
    order by t.created_at desc, t.id
    limit p_limit;
end
$$;

comment on function private.search_tickets(tsquery, text, uuid, integer) is 'The newest tickets with these words in title, name or address that this person, who is of this kind, may see.';
revoke execute on function private.search_tickets(tsquery, text, uuid, integer) from public, anon, authenticated, service_role;

-- An arm for each kind of thing. Of each the newest come first, and one of each kind before the second of
-- any: ten thousand messages do not hide a customer.
create or replace function private.search(p_query text, p_kind text, p_limit integer)
returns table (kind text, id uuid, chat_id uuid, seq bigint, title text, snippet text, at timestamptz, rank bigint)
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  v_caller_kind text := private.caller_kind();
  v_person_id uuid := auth.uid();
  v_words tsquery := private.search_words(p_query);
  v_word text := lower(substring(p_query from '\w+'));
begin
  if v_caller_kind = 'anonymous' then
    perform private.refuse('not_signed_in');
  elsif p_query is null or char_length(p_query) > 200 then
    perform private.refuse('invalid_argument', 'p_query is a text of at most 200 characters.');
  elsif p_kind not in ('message', 'chat', 'customer', 'note', 'ticket') then
    perform private.refuse('invalid_argument', 'p_kind is message, chat, customer, note or ticket.');
  elsif p_limit is null or p_limit not between 1 and 100 then
    perform private.refuse('invalid_argument', 'p_limit is 1 to 100.');
  end if;
  return query
    with found as (
      select 1 as kind_order, 'customer' as kind, f.*
      from private.search_customers(v_words, v_caller_kind, v_person_id, p_limit) f
      where coalesce(p_kind, 'customer') = 'customer'
      union all
      select 2, 'chat', f.*
      from private.search_chats(v_words, v_caller_kind, v_person_id, p_limit) f
      where coalesce(p_kind, 'chat') = 'chat'
      union all
      select 3, 'ticket', f.*
      from private.search_tickets(v_words, v_caller_kind, v_person_id, p_limit) f
      where coalesce(p_kind, 'ticket') = 'ticket'
      union all
      select 4, 'note', f.*
      from private.search_notes(v_words, v_word, v_caller_kind, v_person_id, p_limit) f
      where coalesce(p_kind, 'note') = 'note'
      union all
      select 5, 'message', f.*
      from private.search_messages(v_words, v_word, v_caller_kind, v_person_id, p_limit) f
      where coalesce(p_kind, 'message') = 'message'
    ), placed as (
      select f.*, row_number() over (partition by f.kind order by f.at desc, f.id) as place from found f
    )
    select p.kind, p.id, p.chat_id, p.seq, p.title, p.snippet, p.at, row_number() over (order by p.place, p.kind_order)
    from placed p
    where v_words is not null
    order by p.place, p.kind_order
    limit p_limit;
end
$$;

revoke execute on function private.search(text, text, integer) from public, anon;
grant execute on function private.search(text, text, integer) to authenticated, service_role;

create or replace function public.search(p_query text, p_kind text default null, p_limit integer default 20)
returns table (kind text, id uuid, chat_id uuid, seq bigint, title text, snippet text, at timestamptz, rank bigint)
language sql
stable
security invoker
set search_path = ''
as $$ select * from private.search(p_query, p_kind, p_limit) $$;

comment on function public.search(text, text, integer) is 'What has all these words, or words that begin with them, of what the caller may see: messages by their text, chats by their subject, customers by name and email, tickets by title and whom they are from, and for staff notes by their text. One of each kind first, of each the newest; rank: 1, 2, 3 …; title and snippet are what a list shows. At most 100, of one kind where p_kind says so. Refuses: not_signed_in, invalid_argument.';
revoke execute on function public.search(text, text, integer) from public, anon;
grant execute on function public.search(text, text, integer) to authenticated, service_role;
