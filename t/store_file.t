#!/usr/bin/perl

# The store's file: whose it is, what it may replace, and what is said when it
# cannot be had. None of that may come up later than at the start.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Live::Nginx qw(write_file read_file);

sub nginx {
    my ($live, %o) = @_;

    $live = defined $live ? "live { $live }\n" : '';

    return Live::Nginx->new(workers => 2, %o, conf => $live . <<'EOC');
http {
    %%HTTP%%
    server {
        listen 127.0.0.1:%%PORT_http%%;
        location /live/  { live_hls; live_token off; }
        location /status { live_status; }
    }
}
EOC
}

sub refused {
    my ($name, $live, $why, %o) = @_;
    my $ng = nginx($live, %o);
    my ($rc, $out) = $ng->_run;

    isnt($rc, 0, "$name: nginx does not start") or $ng->stop;
    like($out, $why, "$name: says why");
    $ng->_cleanup;
}

my $path = "/dev/shm/ngx_live_test.file.$$.store";
my $guard = Guard->new($path);

refused('no live{}', undef,
    qr/\[emerg\] "live_hls" needs a live\{\} block with "live_store"/);
refused('no live_store', '', qr/\[emerg\] live\{\} needs "live_store"/);
refused('too small', "live_store $path 7m;", qr/smaller than 8m/);

{
    my ($free) = (split ' ', (`df -Pk /dev/shm`)[1])[3];
    my $size = int($free / 1024) + 4096;

    refused('a full tmpfs', "live_store $path ${size}m;",
        qr/no room for \d+ bytes in "\Q$path\E".*No space left/);
    is(-s $path, 0, 'a full tmpfs: nothing is kept of it');
}

refused('a folder', 'live_store /dev/shm 8m;', qr/Is a directory/);

# --- what is there already

for my $text ("user root;\n" x 1000, 'x', "\0" x 4095 . 'x') {
    write_file($path, $text);
    refused('a file of another kind', "live_store $path 8m;",
        qr/"\Q$path\E" is something else than a store/);
    ok(read_file($path) eq $text, 'a file of another kind: it is as it was');
}

SKIP: {
    skip 'needs root', 3 if $> != 0;
    unlink $path;
    write_file($path, '');
    chown scalar(getpwnam 'www-data'), -1, $path;
    # where the kernel does not refuse it already (fs.protected_regular)
    refused("somebody else's file", "live_store $path 8m;",
        qr/belongs to another user|open\(\) .* failed \(13: Permission/);
    is(-s $path, 0, 'it is as it was');
    unlink $path;
}

for my $old ('', "\0" x 5000) {
    write_file($path, $old);
    chmod 0666, $path;

    my $ng = nginx("live_store $path 8m;");
    $ng->start;
    is((stat $path)[7], 8 << 20, 'an empty file is used');
    is((stat $path)[2] & 07777, 0600, 'and nobody else may read it');
    $ng->stop;
}

# --- others

{
    my $ng = nginx("live_store $path 16m;");
    $ng->start;
    is((stat $path)[7], 16 << 20, 'a store of another size is replaced');

    refused('another instance', "live_store $path 16m;",
        qr/"\Q$path\E": the store belongs to another instance/);
    refused('another instance, another size', "live_store $path 8m;",
        qr/in use with a size of 16777216 bytes, not 8388608/);

    is($ng->get('http', '/status')->status, 200, 'the first one goes on');

    for my $change ("live_store $path 8m;", 'live_store %%STORE%% 16m;') {
        my $lines = () = $ng->log_grep(qr/live_store cannot change/);
        (my $conf = $ng->{conf}) =~ s/live_store [^;]*;/$change/;

        $ng->conf($conf);
        kill HUP => $ng->master;
        ok(Live::Nginx::wait_for(sub {
            $ng->log_grep(qr/live_store cannot change from/) > $lines
        }, 10, 'the refusal'), "a reload with \"$change\" is refused");
    }

    is($ng->get('http', '/status')->status, 200, 'and nothing happens');
    $ng->allow_alert(qr/live_store cannot change/);
    $ng->finish;
}

done_testing;

package Guard;

sub new     { my ($class, $path) = @_; return bless \$path, $class }
sub DESTROY { unlink ${ $_[0] } }
