package Live::Browser;

# Chromium for tests, through t/browser/driver.mjs (node, playwright-core).
#
#   Live::Browser::available() or plan(skip_all => Live::Browser::missing());
#   my $b = Live::Browser->new;
#   $b->open(demo => 'http://localhost:8080/?stream=demo');
#   my $r = $b->read('demo');      # { stats => {...}, monitor => {...}, log }
#   $b->reset('demo');             # the monitor begins anew
#   $b->eval(demo => 'document.title');
#   $b->fill(demo => '#chat-text', 'hi'); $b->press(demo => 'Enter');
#   $b->click(demo => '#send');    # as a user does it: waits until that can be
#   $b->shot('demo');              # a screenshot; returns its path
#   $b->quit;
#
# Screenshots go to $LIVE_SHOTS, or to the build folder's "shots".

use strict;
use warnings;

use Cwd qw(abs_path);
use Encode ();
use File::Basename qw(dirname);
use File::Path qw(make_path);
use IO::Select;
use IPC::Open2;
use JSON::PP;

my $REPO = abs_path(dirname(__FILE__) . '/../../..');
my $CHROMIUM = $ENV{CHROMIUM} // '/usr/bin/chromium';
my $JSON = JSON::PP->new->utf8->allow_nonref;

# Node's modules are not in the repository: installed when they are missing.
sub available {
    return 0 if missing_program();
    return 1 if -d "$REPO/node_modules/playwright-core"
        && -d "$REPO/node_modules/shaka-player";

    system("cd '$REPO' && npm ci --ignore-scripts --silent "
        . '> /dev/null 2>&1');

    return -d "$REPO/node_modules/playwright-core" ? 1 : 0;
}

sub missing_program {
    return $CHROMIUM unless -x $CHROMIUM;
    return 'node' if system('command -v node > /dev/null') != 0;
    return 'npm' if system('command -v npm > /dev/null') != 0;
    return;
}

sub missing {
    return 'no ' . (missing_program() // 'node_modules (npm ci)');
}

sub new {
    my ($class) = @_;
    my $self = bless { owner => $$ }, $class;

    local $ENV{CHROMIUM} = $CHROMIUM;
    $self->{pid} = open2($self->{out}, $self->{in}, 'node',
        "$REPO/t/browser/driver.mjs");
    $self->{in}->autoflush(1);

    return $self;
}

sub command {
    my ($self, $cmd, $name, %args) = @_;
    local $SIG{PIPE} = 'IGNORE';

    print { $self->{in} } $JSON->encode({ cmd => $cmd,
        defined $name ? (name => $name) : (), %args }), "\n";

    IO::Select->new($self->{out})->can_read(60)
        or die "Live::Browser: $cmd: no answer\n";
    my $line = readline $self->{out}
        // die "Live::Browser: $cmd: the driver died\n";
    my $answer = $JSON->decode($line);

    die Encode::encode('UTF-8', "Live::Browser: $cmd: $answer->{error}\n")
        if $answer->{error};

    return $answer->{value};
}

sub open  { my ($s, $n, $url, %o) = @_; $s->command('open', $n, url => $url, %o) }
sub read  { return $_[0]->command('read', $_[1]) }
sub reset { return $_[0]->command('reset', $_[1]) }
sub eval  { return $_[0]->command('eval', $_[1], js => $_[2]) }
sub fill  { return $_[0]->command('fill', $_[1], at => $_[2], text => $_[3]) }
sub press { return $_[0]->command('press', $_[1], key => $_[2]) }
sub click { return $_[0]->command('click', $_[1], at => $_[2]) }
sub close { return $_[0]->command('close', $_[1]) }

sub shot {
    my ($self, $name) = @_;
    my $dir = $ENV{LIVE_SHOTS} // ($ENV{BUILD} // "$REPO/build") . '/shots';

    make_path($dir);
    $self->command('shot', $name, path => "$dir/$name.png");

    return "$dir/$name.png";
}

sub quit {
    my ($self) = @_;

    return unless $self->{pid};

    eval { $self->command('quit'); 1 } or kill 'TERM', $self->{pid};
    waitpid $self->{pid}, 0;
    $self->{pid} = undef;
}

sub DESTROY {
    my ($self) = @_;
    local ($?, $@, $!);

    $self->quit if $self->{owner} == $$;
}

1;
