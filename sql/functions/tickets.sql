-- Tickets: what is followed up. Their customer sees his own, the staff all of them.
--
-- In the order of locks a ticket comes after chats. Its row is the mutex of its messages.

create or replace function private.tg_tickets__derive()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  if tg_op = 'INSERT' then
    new.created_at := coalesce(new.created_at, private.now());
    new.updated_at := coalesce(new.updated_at, new.created_at);
    if new.status = 'resolved' then
      new.resolved_at := coalesce(new.resolved_at, new.created_at);
    end if;
    return new;
  end if;
  if new.status <> old.status then
    if old.status = 'closed' or old.status = 'resolved' and new.status = 'in-progress' then
      perform private.refuse('transition_refused', format('A ticket that is %s does not become %s.', old.status, new.status));
    end if;
    new.resolved_at := case new.status when 'resolved' then private.now() when 'closed' then old.resolved_at end;
  end if;
  if new is distinct from old then
    new.updated_at := private.now();
  end if;
  return new;
end
$$;

comment on function private.tg_tickets__derive() is 'Keeps the times of a ticket; refuses a status that it cannot move to (transition_refused).';
revoke execute on function private.tg_tickets__derive() from public, anon, authenticated, service_role;

-- Without a number: whoever shows tickets looks again.
create or replace function private.tg_tickets__note()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  insert into private.events (event) values ('ticket.changed');
  return null;
end
$$;

comment on function private.tg_tickets__note() is 'Tells the relays that there is another ticket, or that one is now something else.';
revoke execute on function private.tg_tickets__note() from public, anon, authenticated, service_role;

-- The number is counted on the ticket at once, so an insert that comes to nothing may leave a gap.
create or replace function private.tg_ticket_messages__prepare()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_ticket public.tickets;
begin
  select t.* into v_ticket from public.tickets t where t.id = new.ticket_id for no key update;
  if v_ticket.id is null then
    perform private.refuse('ticket_not_found');
  elsif v_ticket.status = 'closed' then
    perform private.refuse('ticket_closed');
  end if;
  perform private.check_content(new.content);
  new.seq := v_ticket.last_seq + 1;
  new.created_at := coalesce(new.created_at, private.now());
  update public.tickets t
  set last_seq = new.seq,
      status = case when new.sender_type = 'real' and t.status = 'resolved' then 'open' else t.status end
  where t.id = new.ticket_id;
  return new;
end
$$;

comment on function private.tg_ticket_messages__prepare() is 'Locks the ticket, numbers the message, reopens a resolved ticket when its customer writes. Refuses ticket_not_found, ticket_closed, content_empty, content_too_long.';
revoke execute on function private.tg_ticket_messages__prepare() from public, anon, authenticated, service_role;

create or replace function private.find_ticket(p_ticket_id uuid)
returns public.tickets
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  v_ticket public.tickets;
begin
  select t.* into v_ticket from public.tickets t where t.id = p_ticket_id;
  if v_ticket.id is null
    or v_ticket.real_user_id is distinct from auth.uid() and private.caller_kind() not in ('service', 'admin', 'operator')
  then
    perform private.refuse('ticket_not_found');
  end if;
  return v_ticket;
end
$$;

comment on function private.find_ticket(uuid) is 'The ticket, if it is the caller''s or he is of the staff; else ticket_not_found.';
revoke execute on function private.find_ticket(uuid) from public, anon, authenticated, service_role;

-- How to reach whoever asks is taken out of the context, so that it is in one place: contact_name and
-- contact_email, or else what is known of the customer.
create or replace function private.create_ticket(p_type text, p_title text, p_initial_message text, p_context jsonb, p_client_message_id uuid)
returns public.tickets
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
  v_customer_id uuid := private.become_customer();
  v_title text := btrim(p_title);
  v_name text := btrim(p_context ->> 'contact_name');
  v_email text := btrim(p_context ->> 'contact_email');
  v_ticket public.tickets;
begin
  if p_type is null or p_type not in ('support', 'product-inquiry', 'order-help', 'technical') then
    perform private.refuse('invalid_argument', 'type: is support, product-inquiry, order-help or technical.');
  elsif v_title is null or char_length(v_title) not between 1 and 200 then
    perform private.refuse('invalid_argument', 'title: has 1 to 200 characters.');
  elsif char_length(v_name) > 200 then
    perform private.refuse('invalid_argument', 'contact_name: has at most 200 characters.');
  elsif v_email <> '' and not private.is_email(v_email) then
    perform private.refuse('invalid_argument', 'contact_email: is an address such as kim@example.com.');
  end if;
  perform private.check_new_chat(null, p_context);
  if p_initial_message is not null then
    perform private.check_content(p_initial_message);
  end if;

  -- Behind the lock on the customer: a retry finds what the first try has made.
  select t.* into v_ticket
  from public.tickets t
  where t.real_user_id = v_customer_id and t.client_message_id = p_client_message_id;
  if v_ticket.id is not null then
    if (v_ticket.type, v_ticket.title) <> (p_type, v_title) or p_initial_message is distinct from (
      select m.content from public.ticket_messages m where m.ticket_id = v_ticket.id and m.seq = 1 and m.sender_id = v_customer_id
    ) then
      perform private.refuse('client_message_id_reused');
    end if;
    perform set_config('response.status', '200', true);
    return v_ticket;
  end if;

  insert into public.tickets (real_user_id, type, title, context, client_message_id, contact_name, contact_email)
  select
    u.id, p_type, v_title, p_context - array['contact_name', 'contact_email'], p_client_message_id,
    coalesce(nullif(v_name, ''), u.name), coalesce(nullif(v_email, ''), u.email)
  from public.real_users u
  where u.id = v_customer_id
  returning * into v_ticket;
  if p_initial_message is not null then
    insert into public.ticket_messages (ticket_id, sender_type, sender_id, content)
    values (v_ticket.id, 'real', v_customer_id, p_initial_message);
    v_ticket := private.find_ticket(v_ticket.id);
  end if;
  return v_ticket;
end
$$;

revoke execute on function private.create_ticket(text, text, text, jsonb, uuid) from public, anon;
grant execute on function private.create_ticket(text, text, text, jsonb, uuid) to authenticated, service_role;

create or replace function public.create_ticket(p_type text, p_title text, p_initial_message text default null, p_context jsonb default '{}', p_client_message_id uuid default null)
returns public.tickets
language sql
volatile
security invoker
set search_path = ''
as $$ select private.create_ticket(p_type, p_title, p_initial_message, p_context, p_client_message_id) $$;

comment on function public.create_ticket(text, text, text, jsonb, uuid) is 'A customer asks for something that is followed up; p_type: support, product-inquiry, order-help or technical; p_context: an object of at most 16 kB, of which contact_name and contact_email become columns. Returns the ticket, open and medium; the same p_client_message_id again returns the first. Refuses: not_signed_in, not_allowed (operators), invalid_argument (the hint names the field), content_empty, content_too_long, too_large, client_message_id_reused, conflict.';
revoke execute on function public.create_ticket(text, text, text, jsonb, uuid) from public, anon;
grant execute on function public.create_ticket(text, text, text, jsonb, uuid) to authenticated, service_role;

create or replace function private.get_ticket(p_ticket_id uuid)
returns public.tickets
language sql
stable
security definer
set search_path = ''
as $$ select private.find_ticket(p_ticket_id) $$;

revoke execute on function private.get_ticket(uuid) from public, anon;
grant execute on function private.get_ticket(uuid) to authenticated, service_role;

create or replace function public.get_ticket(p_ticket_id uuid)
returns public.tickets
language sql
stable
security invoker
set search_path = ''
as $$ select private.get_ticket(p_ticket_id) $$;

comment on function public.get_ticket(uuid) is 'One ticket: the customer his own, the staff any. Refuses ticket_not_found.';
revoke execute on function public.get_ticket(uuid) from public, anon;
grant execute on function public.get_ticket(uuid) to authenticated, service_role;

create or replace function private.list_tickets(p_status text, p_cursor uuid, p_limit integer)
returns setof public.tickets
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  v_is_staff boolean := private.caller_kind() in ('service', 'admin', 'operator');
  v_from timestamptz;
begin
  if p_limit is null or p_limit not between 1 and 200 then
    perform private.refuse('invalid_argument', 'p_limit is 1 to 200.');
  elsif p_status not in ('open', 'in-progress', 'resolved', 'closed') then
    perform private.refuse('invalid_argument', 'p_status is open, in-progress, resolved or closed.');
  end if;
  if p_cursor is not null then
    v_from := (private.find_ticket(p_cursor)).created_at;
  end if;
  if v_is_staff then
    return query
      select t.* from public.tickets t
      where (p_status is null or t.status = p_status)
        and (v_from is null or (t.created_at, t.id) < (v_from, p_cursor))
      order by t.created_at desc, t.id desc
      limit p_limit;
  else
    return query
      select t.* from public.tickets t
      where t.real_user_id = (select auth.uid())
        and (p_status is null or t.status = p_status)
        and (v_from is null or (t.created_at, t.id) < (v_from, p_cursor))
      order by t.created_at desc, t.id desc
      limit p_limit;
  end if;
end
$$;

revoke execute on function private.list_tickets(text, uuid, integer) from public, anon;
grant execute on function private.list_tickets(text, uuid, integer) to authenticated, service_role;

create or replace function public.list_tickets(p_status text default null, p_cursor uuid default null, p_limit integer default 50)
returns setof public.tickets
language sql
stable
security invoker
set search_path = ''
as $$ select * from private.list_tickets(p_status, p_cursor, p_limit) $$;

comment on function public.list_tickets(text, uuid, integer) is 'The caller''s tickets, for the staff all, newest first; p_cursor: the id of the last one of the page before. At most 200. Refuses invalid_argument, ticket_not_found (of the cursor).';
revoke execute on function public.list_tickets(text, uuid, integer) from public, anon;
grant execute on function public.list_tickets(text, uuid, integer) to authenticated, service_role;

create or replace function private.list_ticket_messages(p_ticket_id uuid, p_after_seq bigint, p_limit integer)
returns setof public.ticket_messages
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  v_ticket public.tickets := private.find_ticket(p_ticket_id);
  v_is_staff boolean := private.caller_kind() in ('service', 'admin', 'operator');
  v_message public.ticket_messages;
begin
  if p_limit is null or p_limit not between 1 and 200 then
    perform private.refuse('invalid_argument', 'p_limit is 1 to 200.');
  elsif p_after_seq is null or p_after_seq < 0 then
    perform private.refuse('invalid_argument', 'p_after_seq is the number of the last message seen, 0 for none.');
  end if;
  for v_message in
    select m.* from public.ticket_messages m
    where m.ticket_id = v_ticket.id and m.seq > p_after_seq
    order by m.seq
    limit p_limit
  loop
    if not v_is_staff and v_message.sender_type <> 'real' then
      v_message.sender_id := null;
    end if;
    return next v_message;
  end loop;
end
$$;

revoke execute on function private.list_ticket_messages(uuid, bigint, integer) from public, anon;
grant execute on function private.list_ticket_messages(uuid, bigint, integer) to authenticated, service_role;

create or replace function public.list_ticket_messages(p_ticket_id uuid, p_after_seq bigint default 0, p_limit integer default 100)
returns setof public.ticket_messages
language sql
stable
security invoker
set search_path = ''
as $$ select * from private.list_ticket_messages(p_ticket_id, p_after_seq, p_limit) $$;

comment on function public.list_ticket_messages(uuid, bigint, integer) is 'The messages of a ticket after the one of this number, in order, at most p_limit (1 to 200); who of the staff wrote is null for its customer. Refuses ticket_not_found, invalid_argument.';
revoke execute on function public.list_ticket_messages(uuid, bigint, integer) from public, anon;
grant execute on function public.list_ticket_messages(uuid, bigint, integer) to authenticated, service_role;

create or replace function private.count_open_tickets()
returns bigint
language sql
stable
security definer
set search_path = ''
as $$ select count(*) from public.tickets t where t.status = 'open' $$;

comment on function private.count_open_tickets() is 'How many tickets nobody has begun to work on. For the relays.';
revoke execute on function private.count_open_tickets() from public, anon, authenticated;
grant execute on function private.count_open_tickets() to service_role;
