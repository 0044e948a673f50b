-- What stands beside a chat on the screen of whoever answers it: who the customer is, what was before.

-- The first words of a text in one line, or those around a word that is looked for.
create or replace function private.excerpt(p_text text, p_word text default null)
returns text
language sql
immutable
set search_path = ''
as $$
  select case
    when char_length(t.line) <= 160 then t.line
    when w.start <= 1 then left(t.line, 159) || '…'
    else '…' || substr(t.line, w.start, 158) || case when char_length(t.line) > w.start + 157 then '…' else '' end
  end
  from (select btrim(regexp_replace(p_text, '\s+', ' ', 'g')) as line) t
  cross join lateral (select coalesce(strpos(lower(t.line), p_word), 0) - 40 as start) w
$$;

comment on function private.excerpt(text, text) is 'At most 160 characters of a text in one line: around a word, given in lower case, else from its beginning.';
revoke execute on function private.excerpt(text, text) from public, anon, authenticated, service_role;

-- Chats of the same customer: a person who asks again expects that one knows.
create or replace function private.panel_chats(p_chat public.chats)
returns jsonb
language sql
stable
security definer
set search_path = ''
as $$
  select coalesce(jsonb_agg(jsonb_build_object(
    'id', c.id, 'chat_state', c.chat_state, 'headline', c.headline, 'created_at', c.created_at,
    'last_message_at', c.last_message_at, 'last_operator_name', o.name, 'message_count', c.last_seq
  ) order by c.created_at desc, c.id desc), '[]')
  from (
    select n.*
    from (
      select e.* from public.chats e
      where e.real_user_id = p_chat.real_user_id and e.id <> p_chat.id
      order by e.created_at desc, e.id desc
      limit 200
    ) n
    where private.can_see_chat(n)
    order by n.created_at desc, n.id desc
    limit 20
  ) c
  left join public.operators o on o.id = c.last_operator_id
$$;

comment on function private.panel_chats(public.chats) is 'Other chats of this chat''s customer that the caller may see, the newest 20.';
revoke execute on function private.panel_chats(public.chats) from public, anon, authenticated, service_role;

-- The staff see all tickets.
create or replace function private.panel_tickets(p_customer_id uuid)
returns jsonb
language sql
stable
security definer
set search_path = ''
as $$
  select coalesce(jsonb_agg(jsonb_build_object(
    'id', t.id, 'title', t.title, 'status', t.status, 'priority', t.priority, 'created_at', t.created_at
  ) order by t.created_at desc, t.id desc), '[]')
  from (
    select x.* from public.tickets x where x.real_user_id = p_customer_id order by x.created_at desc, x.id desc limit 20
  ) t
$$;

comment on function private.panel_tickets(uuid) is 'The newest 20 tickets of a customer.';
revoke execute on function private.panel_tickets(uuid) from public, anon, authenticated, service_role;

create or replace function private.panel_history(p_chat_id uuid)
returns jsonb
language sql
stable
security definer
set search_path = ''
as $$
  select coalesce(jsonb_agg(jsonb_build_object(
    'at', h.at, 'from_state', h.from_state, 'to_state', h.to_state, 'reason', h.reason, 'note', h.note,
    'operator_id', h.operator_id, 'operator_name', o.name, 'actor_id', h.actor_id, 'actor_name', coalesce(a.name, r.name)
  ) order by h.id), '[]')
  from (select x.* from public.chat_history x where x.chat_id = p_chat_id order by x.id desc limit 200) h
  left join public.operators o on o.id = h.operator_id
  left join public.operators a on a.id = h.actor_id
  left join public.real_users r on r.id = h.actor_id
$$;

comment on function private.panel_history(uuid) is 'The latest 200 changes of a chat, oldest first, with the names of those who took part.';
revoke execute on function private.panel_history(uuid) from public, anon, authenticated, service_role;

-- For whoever has the chat now, or would get it: who had it before him, what that one said, and what has
-- come since. Nothing where he had it himself.
create or replace function private.panel_handover(p_chat public.chats)
returns jsonb
language sql
stable
security definer
set search_path = ''
as $$
  select jsonb_build_object(
    'from_operator_id', b.operator_id, 'from_operator_name', o.name, 'reason', b.release_reason, 'note', h.note,
    'at', b.released_at,
    'last_reply', case when m.id is not null then jsonb_build_object(
      'seq', m.seq, 'sender_name', s.name, 'preview', private.excerpt(m.content), 'created_at', m.created_at
    ) end,
    'new_message_count', (
      select count(*) from public.messages n
      where n.chat_id = p_chat.id and n.sender_type = 'real' and n.deleted_at is null and n.seq > coalesce(m.seq, 0)
    )
  )
  from (
    select a.* from public.chat_assignments a
    where a.chat_id = p_chat.id and a.released_at is not null
    order by a.released_at desc, a.assigned_at desc
    limit 1
  ) b
  join public.operators o on o.id = b.operator_id
  left join lateral (
    select x.note from public.chat_history x
    where x.chat_id = p_chat.id and x.at = b.released_at and x.from_state = 'assigned'
    order by x.id desc
    limit 1
  ) h on true
  left join lateral (
    select x.* from public.messages x
    where x.chat_id = p_chat.id and x.sender_type = 'operator' and x.deleted_at is null
    order by x.seq desc
    limit 1
  ) m on true
  left join public.operators s on s.id = m.sender_id
  where b.operator_id is distinct from coalesce(p_chat.assigned_operator_id, auth.uid())
$$;

comment on function private.panel_handover(public.chats) is 'From whom the chat came to its holder or, while nobody has it, would come to the caller; null where nobody else had it last.';
revoke execute on function private.panel_handover(public.chats) from public, anon, authenticated, service_role;

create or replace function private.get_chat_panel(p_chat_id uuid)
returns jsonb
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  v_chat public.chats;
begin
  perform private.require_staff();
  v_chat := private.find_chat(p_chat_id);
  return jsonb_build_object(
    'customer', (
      select jsonb_build_object(
        'id', r.id, 'name', r.name, 'email', r.email, 'is_anonymous', r.is_anonymous, 'created_at', r.created_at,
        'is_connected', private.is_connected(r.id)
      )
      from public.real_users r where r.id = v_chat.real_user_id
    ),
    'persona', (
      select jsonb_build_object('id', f.id, 'name', f.name, 'avatar_url', f.avatar_url)
      from public.fictional_users f where f.id = v_chat.fictional_user_id
    ),
    'context', v_chat.context,
    'ip_address', v_chat.ip_address,
    'earlier_chats', private.panel_chats(v_chat),
    'earlier_chat_count', (
      select count(*) from public.chats c where c.real_user_id = v_chat.real_user_id and c.id <> v_chat.id
    ),
    'tickets', private.panel_tickets(v_chat.real_user_id),
    'history', private.panel_history(v_chat.id),
    'handover', private.panel_handover(v_chat)
  );
end
$$;

revoke execute on function private.get_chat_panel(uuid) from public, anon;
grant execute on function private.get_chat_panel(uuid) to authenticated, service_role;

create or replace function public.get_chat_panel(p_chat_id uuid)
returns jsonb
language sql
stable
security invoker
set search_path = ''
as $$ select private.get_chat_panel(p_chat_id) $$;

comment on function public.get_chat_panel(uuid) is 'What staff see beside a chat: {"customer", "persona", "context", "ip_address", "earlier_chats" (the newest 20 that the caller may see), "earlier_chat_count" (of all), "tickets" (the customer''s newest 20), "history" with names, "handover" (who had it before, why it came, his last reply, how many messages since) or null}. Refuses: not_signed_in, not_allowed, operator_inactive, chat_not_found.';
revoke execute on function public.get_chat_panel(uuid) from public, anon;
grant execute on function public.get_chat_panel(uuid) to authenticated, service_role;
