-- Quick responses: answers kept ready under a shortcut, everybody's or one's own. What their placeholders
-- stand for is known to the screen that puts one into the reply, and filled in there.

create or replace function private.placeholders()
returns text[]
language sql
immutable
set search_path = ''
as $$ select array['customer.name', 'customer.email', 'operator.name', 'persona.name', 'chat.headline'] $$;

comment on function private.placeholders() is 'What may stand in double braces in a quick response.';
revoke execute on function private.placeholders() from public, anon, authenticated, service_role;

-- By plain SQL too: an unknown placeholder would be sent to a customer as it is.
create or replace function private.tg_quick_responses__check()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_unknown text;
begin
  if coalesce(new.shortcut, '') !~ '^[a-z0-9][a-z0-9_-]{0,31}$' then
    perform private.refuse('invalid_argument', 'shortcut: 1 to 32 of a-z, 0-9, _ and -, beginning with a letter or digit.');
  elsif coalesce(new.title, '') !~ '\S' or char_length(new.title) > 200 then
    perform private.refuse('invalid_argument', 'title: 1 to 200 characters.');
  elsif coalesce(new.content, '') !~ '\S' or octet_length(new.content) > 16384 then
    perform private.refuse('invalid_argument', 'content: 1 to 16,384 bytes.');
  end if;
  -- They are listed as a whole, and put into every screen. Two at the same moment may make one too many.
  if (tg_op = 'INSERT' or new.owner_id is distinct from old.owner_id) and (
    select count(*) >= 500 from public.quick_responses q where q.owner_id is not distinct from new.owner_id
  ) then
    perform private.refuse('too_many_quick_responses');
  end if;
  select m.name[1] into v_unknown
  from regexp_matches(new.content, '\{\{(.*?)\}\}', 'g') as m (name)
  where m.name[1] <> all (private.placeholders())
  limit 1;
  if v_unknown is not null then
    perform private.refuse('invalid_argument', format(
      'content: {{%s}} is no placeholder. There are {{%s}}.',
      left(v_unknown, 50), array_to_string(private.placeholders(), '}}, {{')
    ));
  end if;
  new.created_at := coalesce(new.created_at, private.now());
  new.updated_at := private.now();
  return new;
end
$$;

comment on function private.tg_quick_responses__check() is 'Refuses a shortcut, title, content or placeholder that is none (invalid_argument, the hint begins with the field), and what is one too many (too_many_quick_responses).';
revoke execute on function private.tg_quick_responses__check() from public, anon, authenticated, service_role;

-- What everybody's say is the organisation's, as settings are. Whose own one says is nobody's business.
create or replace function private.tg_quick_responses__audit()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  if tg_op <> 'INSERT' and old.owner_id is null and (tg_op = 'DELETE' or new.owner_id is not null) then
    perform private.audit('quick_response.removed', null, jsonb_build_object('id', old.id));
  elsif tg_op <> 'DELETE' and new.owner_id is null then
    perform private.audit(
      case when tg_op = 'UPDATE' and old.owner_id is null then 'quick_response.changed' else 'quick_response.added' end,
      null, jsonb_build_object('id', new.id)
    );
  end if;
  return null;
end
$$;

comment on function private.tg_quick_responses__audit() is 'Logs what is done to everybody''s quick responses.';
revoke execute on function private.tg_quick_responses__audit() from public, anon, authenticated, service_role;

create or replace function private.list_quick_responses()
returns setof public.quick_responses
language plpgsql
stable
security definer
set search_path = ''
as $$
begin
  perform private.require_staff();
  return query
    select q.* from public.quick_responses q
    where q.owner_id is null or q.owner_id = auth.uid()
    order by q.shortcut collate "C", q.owner_id nulls last;
end
$$;

revoke execute on function private.list_quick_responses() from public, anon;
grant execute on function private.list_quick_responses() to authenticated, service_role;

create or replace function public.list_quick_responses()
returns setof public.quick_responses
language sql
stable
security invoker
set search_path = ''
as $$ select * from private.list_quick_responses() $$;

comment on function public.list_quick_responses() is 'Everybody''s quick responses (owner_id null) and the calling operator''s own, by shortcut, of two his own first. Refuses: not_signed_in, not_allowed, operator_inactive.';
revoke execute on function public.list_quick_responses() from public, anon;
grant execute on function public.list_quick_responses() to authenticated, service_role;

create or replace function private.lock_quick_response(p_id uuid)
returns public.quick_responses
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
  v_response public.quick_responses;
begin
  perform private.require_staff();
  select q.* into v_response
  from public.quick_responses q
  where q.id = p_id and (q.owner_id is null or q.owner_id = auth.uid())
  for update;
  if v_response.id is null then
    perform private.refuse('quick_response_not_found');
  elsif v_response.owner_id is null and private.caller_kind() not in ('admin', 'service') then
    perform private.refuse('not_allowed', 'Only admins change everybody''s quick responses.');
  end if;
  return v_response;
end
$$;

comment on function private.lock_quick_response(uuid) is 'The quick response, locked, if the caller may change it. Refuses not_signed_in, not_allowed, operator_inactive, quick_response_not_found.';
revoke execute on function private.lock_quick_response(uuid) from public, anon, authenticated, service_role;

create or replace function private.save_quick_response(p_shortcut text, p_title text, p_content text, p_is_shared boolean, p_id uuid)
returns public.quick_responses
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
  v_owner_id uuid;
  v_response public.quick_responses;
begin
  perform private.require_staff();
  if p_is_shared is not true then
    v_owner_id := private.require_person();
  elsif private.caller_kind() not in ('admin', 'service') then
    perform private.refuse('not_allowed', 'Only admins save everybody''s quick responses.');
  end if;
  if p_id is null then
    insert into public.quick_responses (shortcut, title, content, owner_id)
    values (p_shortcut, p_title, p_content, v_owner_id)
    returning * into v_response;
  else
    v_response := private.lock_quick_response(p_id);
    update public.quick_responses q
    set shortcut = p_shortcut, title = p_title, content = p_content, owner_id = v_owner_id
    where q.id = v_response.id
    returning q.* into v_response;
  end if;
  return v_response;
end
$$;

revoke execute on function private.save_quick_response(text, text, text, boolean, uuid) from public, anon;
grant execute on function private.save_quick_response(text, text, text, boolean, uuid) to authenticated, service_role;

create or replace function public.save_quick_response(p_shortcut text, p_title text, p_content text, p_is_shared boolean default false, p_id uuid default null)
returns public.quick_responses
language sql
volatile
security invoker
set search_path = ''
as $$ select private.save_quick_response(p_shortcut, p_title, p_content, p_is_shared, p_id) $$;

comment on function public.save_quick_response(text, text, text, boolean, uuid) is 'Keeps an answer ready under a shortcut, as the calling operator''s own or (admins, the service) as everybody''s; p_id: instead of that one. Returns it. A shortcut that is taken is refused by quick_responses_shortcut_key (23505). Refuses: not_signed_in, not_allowed, operator_inactive, quick_response_not_found, too_many_quick_responses, invalid_argument (the hint begins with the field).';
revoke execute on function public.save_quick_response(text, text, text, boolean, uuid) from public, anon;
grant execute on function public.save_quick_response(text, text, text, boolean, uuid) to authenticated, service_role;

create or replace function private.delete_quick_response(p_id uuid)
returns void
language plpgsql
volatile
security definer
set search_path = ''
as $$
begin
  perform private.lock_quick_response(p_id);
  delete from public.quick_responses q where q.id = p_id;
end
$$;

revoke execute on function private.delete_quick_response(uuid) from public, anon;
grant execute on function private.delete_quick_response(uuid) to authenticated, service_role;

create or replace function public.delete_quick_response(p_id uuid)
returns void
language sql
volatile
security invoker
set search_path = ''
as $$ select private.delete_quick_response(p_id) $$;

comment on function public.delete_quick_response(uuid) is 'Deletes one''s own quick response or, by admins and the service, one of everybody''s. Refuses: not_signed_in, not_allowed, operator_inactive, quick_response_not_found.';
revoke execute on function public.delete_quick_response(uuid) from public, anon;
grant execute on function public.delete_quick_response(uuid) to authenticated, service_role;
