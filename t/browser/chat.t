#!/usr/bin/perl

# People with the page in their browsers, on different workers and then on two
# nodes, while a stream plays: they talk, react, vote and are moderated, over a
# reload of nginx and restarts of PostgreSQL and Redis.

use strict;
use warnings;
use utf8;

use FindBin;
use lib "$FindBin::Bin/../lib";

use JSON::PP ();
use Test::More;
use Time::HiRes qw(sleep time);

use Live::Browser;
use Live::Control;
use Live::Encoder;
use Live::Nginx qw(wait_for read_file repo_dir);
use Live::Person;
use Live::Redis;

Live::Browser::available() or plan(skip_all => Live::Browser::missing());
plan(skip_all => 'no redis-server') unless Live::Redis->installed;
binmode Test::More->builder->$_, ':utf8' for qw(output failure_output);

my $JSON = JSON::PP->new->allow_nonref;
my $PASSWORD = 'a long enough password';

# The page's headers are those of "make run".
my ($csp) = read_file(repo_dir() . '/scripts/run.conf')
    =~ /(add_header Content-Security-Policy .*)/;

my $cp = Live::Control->new;
my $redis = Live::Redis->new->start;

sub node {
    my ($node) = @_;
    my $ng = Live::Nginx->new(workers => 2, vars => { URL => $cp->url,
            CSP => $csp, ID => $node,
            REDIS => 'redis://127.0.0.1:' . $redis->port },
        files => { 'node.key' => $cp->node_key . "\n" }, conf => <<'EOC');
live {
    live_store %%STORE%% 128m;
    live_control_plane %%URL%%;
    live_node_id %%ID%%;
    live_node_key %%DIR%%/node.key;
    live_node_urls http=http://127.0.0.1:%%PORT_http%%;
    live_redis %%REDIS%%;
    live_segment 1s; live_part 200ms;
}
stream {
    server { listen 127.0.0.1:%%PORT_rtmp%%; live_rtmp;
             live_publish_auth %%URL%%/internal/publish; }
}
http {
    %%HTTP%%
    types { text/html html; text/css css; text/javascript js mjs;
            application/vnd.apple.mpegurl m3u8; video/mp4 mp4 m4s; }
    server {
        listen 127.0.0.1:%%PORT_http%%;
        index index.html;
        location /      { %%CSP%% }
        location /api/  { proxy_pass %%URL%%; }
        location /live/ { live_hls; live_token on; }
        location /chat/ { live_chat; live_chat_rate off; live_token on;
                          add_header X-Pid $pid always;
                          add_header X-Node %%ID%% always; }
        location /control/ { live_control; }
        location /status   { live_status; }
    }
    server {
        listen 127.0.0.1:%%PORT_plain%%;
        index index.html;
        location /live/ { live_hls; live_token off; }
        location /chat/ { live_chat; live_token off; }
    }
}
EOC

    chmod 0644, $ng->dir . '/node.key';
    $ng->write("html/" . s{.*/}{}r, read_file($_))
        for glob(repo_dir() . '/control-plane/web/*'),
            repo_dir() . '/node_modules/hls.js/dist/hls.min.mjs';

    return $ng;
}

my ($ng, $two) = map { node($_) } qw(one two);
my $base = 'http://127.0.0.1:' . $ng->port('http');

$cp->conf(public_url => $base);
$cp->start;
$_->start for $ng, $two;

my %user = map { $_ => person($cp, $_) } qw(host ann);
my $id = 'show';
my $made = $user{host}->post('/streams', { id => $id, title => 'The show' });
my $encoder = Live::Encoder->ffmpeg('rtmp://127.0.0.1:' . $ng->port('rtmp')
    . '/live/' . $made->json->{key}{key},
    media => Live::Encoder::media(gop => 25, seconds => 20));

my $b = Live::Browser->new;

# ---- helpers

sub js { return $b->eval(@_) }
sub text { return js($_[0] => "document.querySelector('$_[1]')?.innerText ?? ''") }

sub shown {
    return js($_[0] => "(n => !!n && n.checkVisibility())(document."
        . "querySelector('$_[1]'))");
}

sub soon {
    my ($cond, $name) = @_;
    ok(wait_for($cond, 15), $name) or diag(map {
        "$_: " . (text($_, '#chat') =~ s/\n+/ | /gr) . "\n" } qw(host ann));
}

# The texts of the messages in the list.
sub texts {
    return @{ js($_[0] => '[...document.querySelectorAll("#messages .message'
        . ' .text")].map((n) => n.textContent)') };
}

sub sees {
    my ($who, $text) = @_;
    return grep { $_ eq $text } texts($who);
}

# By the keyboard.
sub writes {
    my ($who, $text) = @_;
    $b->fill($who => '#chat-text', $text);
    $b->press($who => 'Enter');
}

sub act {
    my ($who, $text, $action) = @_;
    my $like = $JSON->encode($text);
    js($who => "[...document.querySelectorAll('#messages .message')].find((n)"
        . " => n.querySelector('.text').textContent === $like)"
        . ".querySelector('.more').click()");
    $b->click($who => "[data-action=$action]");
}

sub log_in {
    my ($who) = @_;
    $b->click($who => '#login');
    $b->fill($who => '#login-name', $who);
    $b->fill($who => '#login-password', $PASSWORD);
    $b->press($who => 'Enter');
}

sub kept { return $cp->sql("SELECT count(*) FROM chat_messages WHERE $_[0]") }

# Texts whose colour is too close to what is behind them (WCAG 1.4.3).
sub faint {
    return js($_[0] => <<'EOJ');
(() => {
    const parse = (c) => c.match(/[\d.]+/g).map(Number);
    const light = (c) => [0.2126, 0.7152, 0.0722].reduce((sum, w, i) => sum
        + w * (c[i] <= 10 ? c[i] / 3294 : ((c[i] / 255 + 0.055) / 1.055) ** 2.4), 0);
    const behind = (n) => {
        for (; n; n = n.parentElement) {
            const c = parse(getComputedStyle(n).backgroundColor);
            if (c.length < 4 || c[3] === 1) return c;
        }
        return [255, 255, 255];
    };
    return [...document.querySelectorAll('body *')].filter((n) =>
        [...n.childNodes].some((t) => t.nodeType === 3 && t.data.trim())
        && n.checkVisibility({ opacityProperty: true, visibilityProperty: true })
        && !n.disabled && !n.closest('.visually-hidden, video, #floats')).map((n) => {
            const style = getComputedStyle(n);
            const [a, b] = [light(parse(style.color)), light(behind(n))];
            const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
            return [ratio, parseFloat(style.fontSize) >= 24 ? 3 : 4.5,
                n.textContent.trim().slice(0, 30)];
        }).filter(([ratio, least]) => ratio < least).map((x) => x.join(' '));
})()
EOJ
}

# ---- who is not logged in reads

wait_for(sub { $user{host}->get("/streams/$id")->json->{status} eq 'live' },
    20, 'the stream') or diag($encoder->log);

$b->open(host => "$base/?stream=$id", width => 1366, height => 820);
$b->open(ann => "$base/?stream=$id", width => 390, height => 844,
    scheme => 'dark', motion => 'reduce');

soon(sub { shown(ann => '#join-login') }, 'anybody may read');
ok(!shown(ann => '#compose'), '... and write after a login');

log_in($_) for qw(host ann);
soon(sub { shown(ann => '#compose') && shown(host => '#compose') },
    'both are logged in');
is(js(ann => 'document.querySelector("#chat-text").placeholder'),
    'Say something as ann', '... by name');
ok(shown(host => '#tab-moderate'), 'the host moderates');
ok(!shown(ann => '#tab-moderate'), '... and Ann does not');

# ---- on two workers

sub apart {
    return wait_for(sub {
        my ($one, $two) = map { $b->read($_)->{pid} } qw(host ann);
        return "$one $two" if $one && $two && $one != $two;

        my $n = js(ann => 'live.chat.connects');
        js(ann => 'live.chat.reconnect()');
        wait_for(sub { js(ann => "live.chat.connects > $n"
            . ' && live.chat.state === "open"') }, 5);
        return;
    }, 15, 'two workers');
}

my $pids = apart();
isnt($pids, undef, 'their connections are on two workers') and note $pids;

# ---- they talk

writes(ann => 'Hello @host!');
soon(sub { sees(host => 'Hello @host!') }, 'what one writes the other sees');
ok(js(host => 'document.querySelector("#messages .mentioned .me") !== null'),
    '... and is told that it is for him');
writes(host => 'Hello yourself');
soon(sub { sees(ann => 'Hello yourself') }, '... both ways');
is(text(ann => '#messages .role'), 'HOST', 'the host is known by a badge');

my @bad = ('<img src=x onerror="alert(1)">', '<script>alert(2)</script>',
    '"><svg/onload=alert(3)>', 'javascript:alert(4)',
    'https://x"onmouseover="alert(5)', '{{7*7}} ${alert(6)} &lt;b&gt;');

for my $text (@bad) {
    js(ann => 'live.chat.say({ type: "message", text: '
        . $JSON->encode($text) . ' }).then(() => 1)');
}
soon(sub { sees(host => $bad[-1]) }, 'markup arrives');
is_deeply([ grep { my $text = $_; grep { $_ eq $text } @bad } texts('host') ],
    \@bad, '... as text');
is(js(host => 'document.querySelectorAll("#chat img, #chat script, #chat svg,'
    . ' #chat [onmouseover], #chat a[href^=javascript]").length'), 0,
    '... and as nothing else');
is(js(host => <<'EOJ'), 'none', 'the page runs no script but its own');
(() => { const s = document.createElement('script');
    s.textContent = 'globalThis.hit = "it ran"'; document.body.append(s);
    return globalThis.hit ?? 'none'; })()
EOJ

js(host => "live.chat.say({ type: 'message', text: 'answered',"
    . " reply_to: document.querySelector('#messages .message').dataset.id })"
    . '.then(() => 1)');
soon(sub { text(ann => '#messages .reply') =~ /ann Hello \@host!/ },
    'an answer shows what it answers');

# ---- they react, ask and vote

$b->click(ann => '[data-reaction="🎉"]') for 1 .. 3;
soon(sub { text(host => '[data-reaction="🎉"] .count') eq '3' },
    'reactions are counted');
ok(js(host => 'document.querySelector("#floats .float") !== null'),
    '... and rise over the picture');
ok(js(ann => 'document.querySelector("#floats .float") === null'),
    '... unless one wants no motion');
$b->click(ann => '#like');
soon(sub { text(ann => '#likes') eq '1' }, 'a like');

$b->fill(ann => '#chat-text', 'Which camera is it?');
$b->click(ann => '#as-question');
$b->click(ann => '#send');
$b->click(host => '#tab-questions');
soon(sub { text(host => '#questions') =~ /Which camera/ }, 'a question');
$b->click(host => '.upvote');
soon(sub { text(host => '.upvote') =~ /1/ }, '... that others want answered');
$b->click(host => '#tab-moderate');

$b->fill(host => '#poll-question', 'Tea or coffee?');
$b->fill(host => "[aria-label='Choice $_->[0]']", $_->[1])
    for [ 1, 'Tea' ], [ 2, 'Coffee' ];
$b->click(host => '#poll-form [type=submit]');
soon(sub { text(ann => '#poll') =~ /Tea or coffee/ }, 'a poll');
$b->click(ann => '[data-choice="1"]');
soon(sub { text(ann => '#poll') =~ /100 %, your vote/ }, '... one votes');
$b->click(host => '#tab-talk');
soon(sub { text(host => '#poll') =~ /1 vote/ }, '... which the other sees');
$b->click(host => '#poll-close');
soon(sub { text(ann => '#messages') =~ /“Coffee” has 1 vote/ },
    '... and what came of it');

$user{host}->post("/streams/$id/polls", { question => '1 + 1?',
    choices => [qw(1 2)], correct => 1 });
soon(sub { text(ann => '#poll') =~ /Quiz.*1 \+ 1/s }, 'a quiz');
$b->click(ann => '[data-choice="1"]');
soon(sub { $cp->sql('SELECT count(*) FROM chat_votes') == 2 }, '... a vote');
$b->click(host => '#poll-close');
soon(sub { text(ann => '#messages') =~ /“2” was right. You knew./ },
    '... the answer');
$b->click(ann => '.card-foot button');
soon(sub { text(ann => '#dialog') =~ /ann\s+1\s+1/ }, '... and the scores');
$b->press(ann => 'Escape');

$user{host}->post("/streams/$id/chat/events", { event => 'tip',
    name => '<b>Carl</b>', amount => 500, currency => 'EUR' });
soon(sub { text(ann => '#messages .event-tip') =~ /^💛 <b>Carl<\/b> tips €5/ },
    'a tip is shown, as text');
$user{evil} = person($cp, 'evil');
$user{evil}->patch('/users/me', { display_name => '<img src=x onerror=alert(1)>' });
$user{evil}->post("/streams/$id/chat", { text => '<iframe src=//x>' });
soon(sub { sees(ann => '<iframe src=//x>') }, 'so are names');
is(js(ann => 'document.querySelectorAll("#chat img, #chat iframe").length'), 0,
    '... and what comes over the API');
$user{host}->post('/streams', { id => 'there', title => 'Over <i>there</i>' });
$user{host}->post("/streams/$id/raid", { stream => 'there' });
soon(sub { text(ann => '#raid') =~ /Over <i>there<\/i> by host/ }, 'a raid');
is(js(ann => 'document.querySelector("#raid a").getAttribute("href")'),
    '?stream=there', '... leads there');
$b->click(ann => '#raid button');
ok(!shown(ann => '#raid'), '... or one stays');

# ---- moderation

writes(ann => 'worth a pin');
soon(sub { sees(host => 'worth a pin') }, 'a message');
act(host => 'worth a pin', 'pin');
soon(sub { text(ann => '#pinned') =~ /worth a pin/ }, '... is pinned');
writes(ann => 'not worth it');
soon(sub { sees(host => 'not worth it') }, 'another');
act(host => 'not worth it', 'delete');
soon(sub { !sees(ann => 'not worth it') && !sees(host => 'not worth it') },
    '... is deleted');

writes(host => 'is this all right?');
soon(sub { sees(ann => 'is this all right?') }, 'a message');
act(ann => 'is this all right?', 'flag');
$b->fill(ann => '#flag-reason', 'no');
$b->press(ann => 'Enter');
soon(sub { text(host => '#moderate-badge') eq '1' }, '... is reported');

is_deeply(faint($_), [], "every text can be read ($_)") for qw(host ann);
$b->click(host => '#tab-moderate');
is_deeply(faint('host'), [], '... for moderators too');
$b->click(host => '#tab-talk');

js(host => "(n => { n.value = '5000'; n.dispatchEvent(new Event('change',"
    . "{ bubbles: true })); })(document.querySelector('#slow'))");
soon(sub { text(ann => '#messages') =~ /one message in 5 s/ }, 'slow mode');
writes(ann => 'slowly');
soon(sub { text(ann => '#send') =~ /^\d s$/ }, '... counts down');
js(host => "(n => { n.value = '0'; n.dispatchEvent(new Event('change',"
    . "{ bubbles: true })); })(document.querySelector('#slow'))");
soon(sub { text(ann => '#messages') =~ /Slow mode is off/
    && text(ann => '#send') eq 'Send' }, '... is off');

$b->click(host => '#tab-moderate');
$b->click(host => '#hold');
soon(sub { js(ann => 'live.chat.settings.hold') }, 'messages are held');
writes(ann => 'let me in');
soon(sub { text(ann => '#messages') =~ /waits for a moderator/ },
    '... which their writers are told');
soon(sub { text(host => '#queue') =~ /let me in/
    && kept("status = 'held'") == 1 }, '... and moderators');
$b->click(host => '#queue button');
soon(sub { text(ann => '#messages') !~ /waits for/ && sees(ann => 'let me in') },
    '... until one is let in');
$b->click(host => '#hold');
soon(sub { !js(ann => 'live.chat.settings.hold') }, 'messages go through');

$b->click(host => '#tab-talk');
act(host => 'let me in', 'timeout-600');
soon(sub { text(ann => '#notice') =~ /You may not write for 10 min/ },
    'a time-out is told');
writes(ann => 'but I want to');
soon(sub { text(ann => '#notice') =~ /may not write for a while/ },
    '... and holds');
is(js(ann => 'document.querySelector("#chat-text").value'), 'but I want to',
    '... what was written is not lost');
act(host => 'let me in', 'unban');
soon(sub { $b->press(ann => 'Enter'); sees(host => 'but I want to') },
    '... until it is lifted');

act(host => 'but I want to', 'shadow');
writes(ann => 'does anybody hear me?');
soon(sub { text(host => '#messages') =~ /hear me\?\s.*only moderators see/s },
    'who is banned without being told');
soon(sub { sees(ann => 'does anybody hear me?') && !shown(ann => '#notice') },
    '... does not know');
act(host => 'but I want to', 'unban');

$b->click(host => '#tab-moderate');
$b->fill(host => '#word', 'heck');
$b->press(host => 'Enter');
soon(sub { text(host => '#words') =~ /heck/ }, 'a word is blocked');
soon(sub { writes(ann => 'what the heck');
    text(ann => '#notice') =~ /does not take that word/ }, '... and refused');
$b->fill(ann => '#chat-text', '');
$b->click(host => '#tab-talk');

# ---- nginx reloads, PostgreSQL restarts: nothing is lost

# Each so many messages, while other things happen.
sub begin_writing {
    my ($what, $n, @who) = @_;
    js($_ => "void (async () => { for (let i = 1; i <= $n; i++) {"
        . " while (live.chat.state !== 'open') {"
        . "   await new Promise((r) => { setTimeout(r, 20); }); }"
        . " try { await live.chat.say({ type: 'message',"
        . "   text: `$what $_ \${i}` }); }"
        . " catch (e) { globalThis.lost = e.message; }"
        . " await new Promise((r) => { setTimeout(r, 60); }); } })()")
        for @who;
}

# Returns the lists of what each sees, in its order.
sub all_there {
    my ($what, $n, @who) = @_;
    my @want = sort map { my $i = $_; map { "$what $_ $i" } @who } 1 .. $n;
    my @lists;

    wait_for(sub {
        @lists = map { [ grep { /^$what / } texts($_) ] } @who;
        return !grep { @$_ < @want } @lists;
    }, 20, 'all messages');
    is_deeply([ sort @{ $lists[$_] } ], \@want,
        "... nothing is lost or doubled ($who[$_])") for 0 .. $#who;
    is(js($_ => 'globalThis.lost ?? ""'), '', "... says $_") for @who;

    return @lists;
}

my %before = map { $_ => js($_ => 'live.chat.connects') } qw(host ann);
my $old = $b->read('ann')->{pid};

begin_writing(reload => 20, qw(host ann));
$ng->reload;
my @lists = all_there(reload => 20, qw(host ann));
is_deeply($lists[1], $lists[0], '... in one order');
soon(sub { js(ann => "live.chat.connects > $before{ann}")
    && js(host => "live.chat.connects > $before{host}") },
    'over a reload of nginx they came back');
ok((grep { $_ == $b->read('ann')->{pid} } $ng->workers)
    && $b->read('ann')->{pid} != $old, '... to its new workers');
unlike(text(ann => '#messages'), qr/missed/, '... and missed nothing');
isnt(apart(), undef, '... on two workers again');

# somebody comes to the other node, meanwhile
$user{ben} = person($cp, 'ben');
$b->open(ben => 'http://127.0.0.1:' . $two->port('http') . "/?stream=$id");
log_in('ben');

begin_writing(restart => 20, qw(host ann));
$cp->postgres->stop;
sleep 0.5;
ok(js(ann => 'live.chat.state') eq 'open', 'without PostgreSQL the chat goes'
    . ' on');
$cp->postgres->start;
all_there(restart => 20, qw(host ann));
soon(sub { kept("message_text LIKE 'restart %' OR message_text LIKE"
    . " 'reload %'") == 80 }, '... and all of it is kept');
is($cp->sql("SELECT count(DISTINCT message_text) FROM chat_messages WHERE"
    . " message_text LIKE 'restart %'"), 40, '... once');

# ---- on two nodes, while Redis restarts

soon(sub { shown(ben => '#compose') }, 'somebody on another node');
is_deeply([ map { $b->read($_)->{node} } qw(host ann ben) ], [qw(one one two)],
    '... by its name');
writes(ben => 'hello from afar');
soon(sub { sees(host => 'hello from afar') && sees(ann => 'hello from afar') },
    '... talks');
writes(host => 'welcome');
soon(sub { sees(ben => 'welcome') }, '... and is talked to');
$b->click(ben => '[data-reaction="👏"]');
soon(sub { text(host => '[data-reaction="👏"] .count') eq '1' }, '... reacts');
my $far = $user{host}->post("/streams/$id/polls", { question => 'Far?',
    choices => [qw(yes no)] })->json->{id};
soon(sub { text(ben => '#poll') =~ /Far\?/ }, '... sees a poll');
$b->click(ben => '[data-choice="0"]');
soon(sub { text(host => '#poll') =~ /1 vote/ }, '... votes');
$user{host}->post("/streams/$id/polls/$far/close");
act(host => 'hello from afar', 'delete');
soon(sub { !sees(ben => 'hello from afar') }, '... is moderated');

begin_writing(redis => 20, qw(host ben));
$redis->kill;
sleep 0.5;
$redis->start;
all_there(redis => 20, qw(host ben));

act(host => 'redis ben 20', 'timeout-60');
soon(sub { text(ben => '#notice') =~ /You may not write for 1 min/ },
    '... and timed out');
$b->close('ben');

# ---- the list

js(ann => 'document.querySelector("#messages").scrollTop = 0');
soon(sub { !js(ann => '(n => n.scrollHeight - n.scrollTop - n.clientHeight < 60)'
    . '(document.querySelector("#messages"))') }, 'who has scrolled up');
js(host => "Promise.all(Array.from({ length: 450 }, (x, i) =>"
    . " live.chat.say({ type: 'message', text: `many \${i}` }))).then(() => 1)");
soon(sub { text(ann => '#newer') eq '99+ new messages' },
    '... is told of what is new');
cmp_ok(js(ann => 'document.querySelector("#messages").scrollTop'), '<', 100,
    '... and stays');
$b->click(ann => '#newer');
soon(sub { (texts('ann'))[-1] eq 'many 449' && !shown(ann => '#newer') },
    '... until the end is wanted');
cmp_ok(js(host => 'document.querySelectorAll("#messages li").length'), '<=', 200,
    'not more is kept than can be read');

js(ann => 'live.chat.epoch = "1", live.chat.reconnect()');
soon(sub { text(ann => '#messages') =~ /^Some messages were missed/ },
    'what is lost is said');

js(host => 'document.querySelector("#messages").focus()');
$b->press(host => 'ArrowUp') for 1, 2;
$b->press(host => 'Enter');
soon(sub { text(host => '#dialog') =~ /many 448/ },
    'the keyboard reaches every message');
$b->press(host => 'Escape');
is(js(host => 'document.activeElement.querySelector(".text")?.textContent'),
    'many 448', '... and goes back to it');

# ---- a ban

writes(ann => 'ban me');
soon(sub { sees(host => 'ban me') }, 'a last message');
act(host => 'ban me', 'ban');
soon(sub { text(ann => '#chat-state') =~ /You are banned/ }, 'a ban is told');
soon(sub { kept("kind = 'ban'") == 2 }, '... and kept');
$b->click(host => '#tab-moderate');
soon(sub { text(host => '#bans') =~ /ann.*banned/s }, '... and listed');
$b->click(host => '[aria-label="Lift the ban of ann"]');
soon(sub { text(host => '#bans') !~ /ann/ }, '... lifted');
soon(sub {
    js(ann => 'live.chat.state') eq 'open' and return 1;
    $b->click(ann => '#chat-retry') if shown(ann => '#chat-retry');
    return;
}, '... and she is back');

# ---- without a control plane

my $plain = 'http://127.0.0.1:' . $ng->port('plain') . '/?stream=plain';

$b->open($_ => $plain) for qw(guest other);
soon(sub { shown(guest => '#guest') }, 'a guest gives a name');
$b->fill(guest => '#guest-name', 'Mod');
$b->press(guest => 'Enter');
soon(sub { text(guest => '#guest-problem') ne '' && shown(guest => '#guest') },
    '... which may be refused');
$b->fill(guest => '#guest-name', 'Gus');
$b->press(guest => 'Enter');
soon(sub { shown(guest => '#compose') }, '... or taken');
writes(guest => 'hi there');
soon(sub { sees(other => 'hi there') }, '... and writes');
$b->close($_) for qw(guest other);

# ---- all the while

for my $who (qw(host ann)) {
    my $r = $b->read($who);

    is($r->{stats}{state}, 'playing', "$who watches");
    is_deeply([ grep { !m{50[0-9] \S*/api/|status of 50|WebSocket|Refused|CSP|Content Security} }
        @{ $r->{log} } ], [], '... without errors or dialogs');
}

cmp_ok(js(ann => 'document.documentElement.scrollWidth'), '<=', 390,
    'the page fits on a phone');
$b->click(ann => '#logout');
soon(sub { shown(ann => '#join-login') }, 'logged out');
is(js(ann => 'Object.keys(localStorage).join()'), '', '... nothing stays');

diag('screenshots: ', join ' ', map { $b->shot($_) } qw(host ann))
    unless Test::More->builder->is_passing;

$b->quit;
$encoder->stop;
$_->stop for $ng, $two, $redis;
$cp->finish;
done_testing();
