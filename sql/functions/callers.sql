-- Who is calling, what the clock says, what one may see.

-- The role the caller runs as. A definer function changes current_user but not this one.
create or replace function private.running_role()
returns text
language sql
stable
set search_path = ''
as $$ select coalesce(nullif(current_setting('role'), 'none'), session_user::text) $$;

comment on function private.running_role() is 'The role that the caller runs as, also inside a definer function.';
revoke execute on function private.running_role() from public, anon, authenticated, service_role;

-- Inside a definer function current_user is the owner of the tables: whoever may become him, and
-- service_role, is the service. The token's `role` claim proves nothing: anyone with SQL can set it.
create or replace function private.is_service()
returns boolean
language sql
stable
security definer
set search_path = ''
as $$
  select r.role = 'service_role' or pg_has_role(r.role::name, current_user, 'member')
  from private.running_role() as r (role)
$$;

comment on function private.is_service() is 'True for service_role and for the owner of the tables (psql, a migration, a job).';
revoke execute on function private.is_service() from public, anon;
grant execute on function private.is_service() to authenticated, service_role;

-- The time, taken when it is asked for: under the chat's lock that makes times run in commit order.
-- Tests set it with `set baton.now`; nobody but the service is listened to.
create or replace function private.now()
returns timestamptz
language plpgsql
volatile
set search_path = ''
as $$
begin
  if coalesce(current_setting('baton.now', true), '') <> '' and private.is_service() then
    return current_setting('baton.now')::timestamptz;
  end if;
  return clock_timestamp();
end
$$;

comment on function private.now() is 'The time of this call; the service can set it with baton.now for tests.';
revoke execute on function private.now() from public, anon;
grant execute on function private.now() to authenticated, service_role;

create or replace function private.is_operator()
returns boolean
language sql
stable
security definer
set search_path = ''
as $$ select exists (select from public.operators o where o.id = (select auth.uid()) and o.is_active) $$;

comment on function private.is_operator() is 'True when the caller is an active operator or admin. Policies ask it first.';
revoke execute on function private.is_operator() from public, anon;
grant execute on function private.is_operator() to authenticated, service_role;

create or replace function private.is_admin()
returns boolean
language sql
stable
security definer
set search_path = ''
as $$ select exists (select from public.operators o where o.id = (select auth.uid()) and o.is_active and o.role = 'admin') $$;

comment on function private.is_admin() is 'True when the caller is an active admin.';
revoke execute on function private.is_admin() from public, anon;
grant execute on function private.is_admin() to authenticated, service_role;

-- What a person is to the rules.
create or replace function private.kind_of(p_id uuid)
returns text
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  v_kind text;
begin
  select case when not o.is_active then 'inactive' else o.role end into v_kind
  from public.operators o
  where o.id = p_id;
  return coalesce(v_kind, case when p_id is null then 'anonymous' else 'customer' end);
end
$$;

comment on function private.kind_of(uuid) is 'admin, operator, inactive (a deactivated operator), customer, or anonymous (null).';
revoke execute on function private.kind_of(uuid) from public, anon, authenticated, service_role;

-- What the caller is to the rules. The service is the service whoever it speaks for, except where a
-- function asks for the person (private.require_person).
create or replace function private.caller_kind()
returns text
language plpgsql
stable
security definer
set search_path = ''
as $$
begin
  -- Most callers by far run as authenticated: that they are not the service needs no look-up.
  if current_setting('role') <> 'authenticated' and private.is_service() then
    return 'service';
  end if;
  return private.kind_of(auth.uid());
end
$$;

comment on function private.caller_kind() is 'service, admin, operator, inactive (a deactivated operator), customer, or anonymous (nobody).';
revoke execute on function private.caller_kind() from public, anon;
grant execute on function private.caller_kind() to authenticated, service_role;

create or replace function private.require_person()
returns uuid
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  v_id uuid := auth.uid();
begin
  if v_id is null then
    perform private.refuse('not_signed_in');
  end if;
  return v_id;
end
$$;

comment on function private.require_person() is 'The id of the person who calls; refuses not_signed_in.';
revoke execute on function private.require_person() from public, anon, authenticated, service_role;

-- The caller as an operator who may work.
create or replace function private.require_operator()
returns uuid
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  v_id uuid := private.require_person();
  v_is_active boolean;
begin
  select o.is_active into v_is_active from public.operators o where o.id = v_id;
  if v_is_active is null then
    perform private.refuse('not_allowed', 'Only operators may do that.');
  elsif not v_is_active then
    perform private.refuse('operator_inactive');
  end if;
  return v_id;
end
$$;

comment on function private.require_operator() is 'The id of the calling active operator; refuses not_signed_in, not_allowed, operator_inactive.';
revoke execute on function private.require_operator() from public, anon, authenticated, service_role;

create or replace function private.require_admin()
returns void
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  v_kind text := private.caller_kind();
begin
  if v_kind = 'anonymous' then
    perform private.refuse('not_signed_in');
  elsif v_kind = 'inactive' then
    perform private.refuse('operator_inactive');
  elsif v_kind not in ('admin', 'service') then
    perform private.refuse('not_allowed', 'Only admins may do that.');
  end if;
end
$$;

comment on function private.require_admin() is 'Refuses everyone but admins and the service: not_signed_in, operator_inactive, not_allowed.';
revoke execute on function private.require_admin() from public, anon, authenticated, service_role;

create or replace function private.require_staff()
returns void
language plpgsql
stable
security definer
set search_path = ''
as $$
begin
  if not private.is_service() then
    perform private.require_operator();
  end if;
end
$$;

comment on function private.require_staff() is 'Refuses everyone but active operators, admins and the service: not_signed_in, operator_inactive, not_allowed.';
revoke execute on function private.require_staff() from public, anon, authenticated, service_role;

-- For operators: every waiting chat and each one that he holds or has held. Releasing a chat takes
-- the right to write, not to read.
create or replace function private.may_see(p_chat public.chats, p_person_id uuid, p_kind text)
returns boolean
language plpgsql
stable
security definer
set search_path = ''
as $$
begin
  return p_kind in ('service', 'admin') or p_chat.real_user_id is not distinct from p_person_id
    or p_kind = 'operator' and (
      p_chat.chat_state = 'waiting_assignment'
      or p_chat.assigned_operator_id is not distinct from p_person_id
      or exists (select from public.chat_assignments a where a.operator_id = p_person_id and a.chat_id = p_chat.id)
    );
end
$$;

comment on function private.may_see(public.chats, uuid, text) is 'Whether this person, who is of this kind (private.kind_of), may see this chat.';
revoke execute on function private.may_see(public.chats, uuid, text) from public, anon, authenticated, service_role;

create or replace function private.can_see_chat(p_chat public.chats)
returns boolean
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  v_caller_id uuid := auth.uid();
begin
  -- Whose it is need not be looked up.
  return p_chat.real_user_id is not distinct from v_caller_id
    or private.may_see(p_chat, v_caller_id, private.caller_kind());
end
$$;

comment on function private.can_see_chat(public.chats) is 'Whether the caller may see this chat.';
revoke execute on function private.can_see_chat(public.chats) from public, anon, authenticated, service_role;

-- Reads a chat for the caller. What he may not see looks the same as what is not there.
create or replace function private.find_chat(p_chat_id uuid)
returns public.chats
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  v_chat public.chats;
begin
  select c.* into v_chat from public.chats c where c.id = p_chat_id;
  if v_chat.id is null or private.can_see_chat(v_chat) is not true then
    perform private.refuse('chat_not_found');
  end if;
  return v_chat;
end
$$;

comment on function private.find_chat(uuid) is 'The chat, if the caller may see it; else chat_not_found.';
revoke execute on function private.find_chat(uuid) from public, anon, authenticated, service_role;

-- The same under the chat's lock, which is the mutex of everything that happens in a chat. Every
-- writing function begins with it, and only then looks at the state.
create or replace function private.lock_chat(p_chat_id uuid)
returns public.chats
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
  v_chat public.chats;
begin
  select c.* into v_chat from public.chats c where c.id = p_chat_id for no key update;
  if v_chat.id is null or private.can_see_chat(v_chat) is not true then
    perform private.refuse('chat_not_found');
  end if;
  return v_chat;
end
$$;

comment on function private.lock_chat(uuid) is 'The chat, locked, if the caller may see it; else chat_not_found.';
revoke execute on function private.lock_chat(uuid) from public, anon, authenticated, service_role;

-- A customer's rows never carry who works on them, nor what happened that was not for him.
create or replace function private.for_customer(p_chat public.chats)
returns public.chats
language plpgsql
immutable
set search_path = ''
as $$
begin
  p_chat.assigned_operator_id := null;
  p_chat.last_operator_id := null;
  p_chat.priority := null;
  p_chat.ip_address := null;
  p_chat.let_go_by := null;
  p_chat.state_since := null;  -- changes with the holder
  if p_chat.fictional_user_id is not null then
    p_chat.assignment_time := null;  -- so does this
  end if;
  p_chat.event_seq := p_chat.customer_event_seq;
  p_chat.customer_event_seq := null;
  return p_chat;
end
$$;

comment on function private.for_customer(public.chats) is 'The chat as its customer may see it: staff-only columns are null, and event_seq is his.';
revoke execute on function private.for_customer(public.chats) from public, anon, authenticated, service_role;

create or replace function private.for_customer(p_message public.messages)
returns public.messages
language plpgsql
immutable
set search_path = ''
as $$
begin
  p_message.handled_by_operator_id := null;
  if p_message.sender_type <> 'real' then
    p_message.sender_id := null;
    p_message.client_message_id := null;
  end if;
  return p_message;
end
$$;

comment on function private.for_customer(public.messages) is 'The message as its customer may see it: who of the staff wrote or answers is null.';
revoke execute on function private.for_customer(public.messages) from public, anon, authenticated, service_role;

create or replace function private.masked(p_chat public.chats)
returns public.chats
language plpgsql
stable
security definer
set search_path = ''
as $$
begin
  if private.caller_kind() in ('customer', 'inactive', 'anonymous') then
    return private.for_customer(p_chat);
  end if;
  return p_chat;
end
$$;

comment on function private.masked(public.chats) is 'The chat as the caller may see it: staff-only columns are null for a customer.';
revoke execute on function private.masked(public.chats) from public, anon, authenticated, service_role;

create or replace function private.masked(p_message public.messages)
returns public.messages
language plpgsql
stable
security definer
set search_path = ''
as $$
begin
  if private.caller_kind() in ('customer', 'inactive', 'anonymous') then
    return private.for_customer(p_message);
  end if;
  return p_message;
end
$$;

comment on function private.masked(public.messages) is 'The message as the caller may see it: who of the staff wrote or answers is null for a customer.';
revoke execute on function private.masked(public.messages) from public, anon, authenticated, service_role;

create or replace function public.who_am_i()
returns jsonb
language sql
stable
security invoker
set search_path = ''
as $$ select jsonb_build_object('id', auth.uid(), 'kind', private.caller_kind()) $$;

comment on function public.who_am_i() is 'The caller as the rules see him: {"id", "kind"}; kind is service, admin, operator, inactive, customer or anonymous.';
revoke execute on function public.who_am_i() from public, anon;
grant execute on function public.who_am_i() to authenticated, service_role;
